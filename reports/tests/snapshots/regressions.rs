//! Written by `findings.rs`, which compiles and runs it.

#[test]
fn case_0_stale_read_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":15871000000,"process":2,"type":"invoke","f":"write","value":[17,4],"node":"n3"}
{"index":1,"time":15884000000,"process":2,"type":"ok","f":"write","value":[17,4],"node":"n3"}
{"index":2,"time":15902000000,"process":9,"type":"invoke","f":"read","value":[17,null],"node":"n5"}
{"index":3,"time":15911000000,"process":9,"type":"ok","f":"read","value":[17,4],"node":"n5"}
{"index":4,"time":16203000000,"process":11,"type":"invoke","f":"write","value":[17,5],"node":"n2"}
{"index":5,"time":16231000000,"process":11,"type":"ok","f":"write","value":[17,5],"node":"n2"}
{"index":6,"time":16396000000,"process":19,"type":"invoke","f":"cas","value":[17,[5,6]],"node":"n5"}
{"index":7,"time":16402000000,"process":2,"type":"invoke","f":"read","value":[17,null],"node":"n3"}
{"index":8,"time":16411000000,"process":2,"type":"ok","f":"read","value":[17,5],"node":"n3"}
{"index":9,"time":16590000000,"process":5,"type":"invoke","f":"write","value":[17,8],"node":"n1"}
{"index":10,"time":16604000000,"process":8,"type":"invoke","f":"read","value":[17,null],"node":"n4"}
{"index":11,"time":16606000000,"process":8,"type":"ok","f":"read","value":[17,4],"node":"n4"}
{"index":12,"time":16640000000,"process":5,"type":"ok","f":"write","value":[17,8],"node":"n1"}
{"index":15,"time":17396000000,"process":19,"type":"info","f":"cas","value":[17,[5,6]],"error":"timeout: no answer within 1 s","node":"n5"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "register".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "stale read");
}

#[test]
fn case_1_lost_write_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":20300000000,"process":3,"type":"invoke","f":"write","value":[17,4],"node":"n1"}
{"index":1,"time":20310000000,"process":3,"type":"ok","f":"write","value":[17,4],"node":"n1"}
{"index":2,"time":20400000000,"process":5,"type":"invoke","f":"read","value":[17,null],"node":"n1"}
{"index":3,"time":20410000000,"process":5,"type":"ok","f":"read","value":[17,4],"node":"n1"}
{"index":4,"time":21200000000,"process":7,"type":"invoke","f":"write","value":[17,9],"node":"n3"}
{"index":5,"time":21210000000,"process":7,"type":"ok","f":"write","value":[17,9],"node":"n3"}
{"index":6,"time":21995000000,"process":2,"type":"invoke","f":"read","value":[17,null],"node":"n2"}
{"index":7,"time":22001000000,"process":2,"type":"ok","f":"read","value":[17,4],"node":"n2"}
{"index":8,"time":22100000000,"process":5,"type":"invoke","f":"read","value":[17,null],"node":"n1"}
{"index":9,"time":22104000000,"process":5,"type":"ok","f":"read","value":[17,4],"node":"n1"}
{"index":10,"time":22195000000,"process":2,"type":"invoke","f":"read","value":[17,null],"node":"n2"}
{"index":11,"time":22201000000,"process":2,"type":"ok","f":"read","value":[17,4],"node":"n2"}
{"index":12,"time":22300000000,"process":8,"type":"invoke","f":"read","value":[17,null],"node":"n3"}
{"index":13,"time":22304000000,"process":8,"type":"ok","f":"read","value":[17,4],"node":"n3"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "register".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "lost write");
}

#[test]
fn case_2_lost_element_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":14100000000,"process":0,"type":"invoke","f":"add","value":[17,6],"node":"n1"}
{"index":1,"time":14104000000,"process":0,"type":"ok","f":"add","value":[17,6],"node":"n1"}
{"index":2,"time":14120000000,"process":1,"type":"invoke","f":"add","value":[17,7],"node":"n4"}
{"index":3,"time":14126000000,"process":1,"type":"ok","f":"add","value":[17,7],"node":"n4"}
{"index":4,"time":14140000000,"process":2,"type":"invoke","f":"read","value":[17,null],"node":"n2"}
{"index":5,"time":14145000000,"process":2,"type":"ok","f":"read","value":[17,[6,7]],"node":"n2"}
{"index":6,"time":14150000000,"process":3,"type":"invoke","f":"read","value":[17,null],"node":"n3"}
{"index":7,"time":14158000000,"process":3,"type":"ok","f":"read","value":[17,[6,7]],"node":"n3"}
{"index":8,"time":17210000000,"process":4,"type":"invoke","f":"read","value":[17,null],"node":"n5"}
{"index":9,"time":17214000000,"process":4,"type":"ok","f":"read","value":[17,[6]],"node":"n5"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "set".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "lost element");
}

#[test]
fn case_3_stale_read_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":14120000000,"process":1,"type":"invoke","f":"add","value":[17,7],"node":"n4"}
{"index":1,"time":14126000000,"process":1,"type":"ok","f":"add","value":[17,7],"node":"n4"}
{"index":2,"time":15210000000,"process":4,"type":"invoke","f":"read","value":[17,null],"node":"n5"}
{"index":3,"time":15214000000,"process":4,"type":"ok","f":"read","value":[17,[]],"node":"n5"}
{"index":4,"time":17300000000,"process":2,"type":"invoke","f":"read","value":[17,null],"node":"n2"}
{"index":5,"time":17303000000,"process":2,"type":"ok","f":"read","value":[17,[7]],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "set".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "stale read");
}

#[test]
fn case_4_double_delivery_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":8900000000,"process":0,"type":"invoke","f":"enqueue","value":[17,40],"node":"n1"}
{"index":1,"time":8904000000,"process":0,"type":"ok","f":"enqueue","value":[17,40],"node":"n1"}
{"index":2,"time":8920000000,"process":1,"type":"invoke","f":"enqueue","value":[17,41],"node":"n2"}
{"index":3,"time":8925000000,"process":1,"type":"ok","f":"enqueue","value":[17,41],"node":"n2"}
{"index":4,"time":9010000000,"process":3,"type":"invoke","f":"dequeue","value":[17,null],"node":"n3"}
{"index":5,"time":9018000000,"process":3,"type":"ok","f":"dequeue","value":[17,40],"node":"n3"}
{"index":6,"time":9822000000,"process":4,"type":"invoke","f":"dequeue","value":[17,null],"node":"n1"}
{"index":7,"time":9830000000,"process":4,"type":"ok","f":"dequeue","value":[17,40],"node":"n1"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "queue".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "double delivery");
}

#[test]
fn case_5_lost_element_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":8900000000,"process":0,"type":"invoke","f":"enqueue","value":[17,40],"node":"n1"}
{"index":1,"time":8904000000,"process":0,"type":"ok","f":"enqueue","value":[17,40],"node":"n1"}
{"index":2,"time":9010000000,"process":3,"type":"invoke","f":"dequeue","value":[17,null],"node":"n3"}
{"index":3,"time":9018000000,"process":3,"type":"ok","f":"dequeue","value":[17,null],"node":"n3"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "queue".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "lost element");
}

#[test]
fn case_6_split_lock_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":14002000000,"process":3,"type":"invoke","f":"acquire","value":[17,null],"node":"n2"}
{"index":1,"time":14010000000,"process":3,"type":"ok","f":"acquire","value":[17,7],"node":"n2"}
{"index":2,"time":16180000000,"process":7,"type":"invoke","f":"acquire","value":[17,null],"node":"n4"}
{"index":3,"time":16194000000,"process":7,"type":"ok","f":"acquire","value":[17,8],"node":"n4"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "fenced-lock".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "split lock");
}

#[test]
fn case_7_split_lock_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":14002000000,"process":3,"type":"invoke","f":"acquire","value":[17,null],"node":"n2"}
{"index":1,"time":14010000000,"process":3,"type":"ok","f":"acquire","value":[17,null],"node":"n2"}
{"index":2,"time":16180000000,"process":7,"type":"invoke","f":"acquire","value":[17,null],"node":"n4"}
{"index":3,"time":16194000000,"process":7,"type":"ok","f":"acquire","value":[17,null],"node":"n4"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "mutex".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "split lock");
}

#[test]
fn case_8_split_lock_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":14002000000,"process":3,"type":"invoke","f":"acquire","value":[17,null],"node":"n2"}
{"index":1,"time":14010000000,"process":3,"type":"ok","f":"acquire","value":[17,null],"node":"n2"}
{"index":2,"time":16180000000,"process":7,"type":"invoke","f":"acquire","value":[17,null],"node":"n4"}
{"index":3,"time":16194000000,"process":7,"type":"ok","f":"acquire","value":[17,null],"node":"n4"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "reentrant-mutex".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "split lock");
}

#[test]
fn case_9_split_lock_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":14002000000,"process":3,"type":"invoke","f":"acquire","value":[17,null],"node":"n2"}
{"index":1,"time":14010000000,"process":3,"type":"ok","f":"acquire","value":[17,null],"node":"n2"}
{"index":2,"time":16180000000,"process":7,"type":"invoke","f":"acquire","value":[17,null],"node":"n4"}
{"index":3,"time":16194000000,"process":7,"type":"ok","f":"acquire","value":[17,null],"node":"n4"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "semaphore".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "split lock");
}

#[test]
fn case_10_lost_update_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"add","value":[17,2],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"add","value":[17,2],"node":"n1"}
{"index":2,"time":110000000,"process":1,"type":"invoke","f":"read","value":[17,null],"node":"n2"}
{"index":3,"time":116000000,"process":1,"type":"ok","f":"read","value":[17,2],"node":"n2"}
{"index":4,"time":120000000,"process":2,"type":"invoke","f":"add","value":[17,3],"node":"n3"}
{"index":5,"time":127000000,"process":2,"type":"ok","f":"add","value":[17,3],"node":"n3"}
{"index":6,"time":140000000,"process":3,"type":"invoke","f":"read","value":[17,null],"node":"n4"}
{"index":7,"time":146000000,"process":3,"type":"ok","f":"read","value":[17,2],"node":"n4"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "counter".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "lost update");
}

#[test]
fn case_11_lost_update_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"fetch-add","value":[17,[2,null]],"node":"n1"}
{"index":1,"time":110000000,"process":1,"type":"invoke","f":"fetch-add","value":[17,[3,null]],"node":"n2"}
{"index":2,"time":160000000,"process":0,"type":"ok","f":"fetch-add","value":[17,[2,0]],"node":"n1"}
{"index":3,"time":170000000,"process":1,"type":"ok","f":"fetch-add","value":[17,[3,0]],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "fetch-add".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "lost update");
}

#[test]
fn case_12_lost_write_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"append","value":[17,"a"],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"append","value":[17,[0,"a"]],"node":"n1"}
{"index":2,"time":110000000,"process":1,"type":"invoke","f":"append","value":[17,"b"],"node":"n2"}
{"index":3,"time":117000000,"process":1,"type":"ok","f":"append","value":[17,[0,"b"]],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "log".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "lost write");
}

#[test]
fn case_13_lost_element_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"append","value":[17,"a"],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"append","value":[17,[0,"a"]],"node":"n1"}
{"index":2,"time":110000000,"process":1,"type":"invoke","f":"append","value":[17,"b"],"node":"n2"}
{"index":3,"time":117000000,"process":1,"type":"ok","f":"append","value":[17,"b"],"node":"n2"}
{"index":4,"time":120000000,"process":3,"type":"invoke","f":"read","value":[17,null],"node":"n2"}
{"index":5,"time":127000000,"process":3,"type":"ok","f":"read","value":[17,["a"]],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "log".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "lost element");
}

#[test]
fn case_14_no_legal_order_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"push","value":[17,1],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"push","value":[17,1],"node":"n1"}
{"index":2,"time":110000000,"process":0,"type":"invoke","f":"push","value":[17,2],"node":"n1"}
{"index":3,"time":114000000,"process":0,"type":"ok","f":"push","value":[17,2],"node":"n1"}
{"index":4,"time":120000000,"process":1,"type":"invoke","f":"pop","value":[17,null],"node":"n2"}
{"index":5,"time":124000000,"process":1,"type":"ok","f":"pop","value":[17,1],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "stack".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "not linearizable");
}

#[test]
fn case_15_lost_element_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"enqueue","value":[17,1],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"enqueue","value":[17,1],"node":"n1"}
{"index":2,"time":120000000,"process":1,"type":"invoke","f":"dequeue","value":[17,null],"node":"n2"}
{"index":3,"time":124000000,"process":1,"type":"ok","f":"dequeue","value":[17,null],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "bag".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "lost element");
}

#[test]
fn case_16_out_of_order_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"insert","value":[17,1],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"insert","value":[17,1],"node":"n1"}
{"index":2,"time":110000000,"process":0,"type":"invoke","f":"insert","value":[17,2],"node":"n1"}
{"index":3,"time":114000000,"process":0,"type":"ok","f":"insert","value":[17,2],"node":"n1"}
{"index":4,"time":120000000,"process":1,"type":"invoke","f":"delete-min","value":[17,null],"node":"n2"}
{"index":5,"time":124000000,"process":1,"type":"ok","f":"delete-min","value":[17,2],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "priority-queue".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "out of order");
}

#[test]
fn case_17_stale_read_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"write","value":[17,4],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"write","value":[17,[1,4]],"node":"n1"}
{"index":2,"time":110000000,"process":0,"type":"invoke","f":"write","value":[17,5],"node":"n1"}
{"index":3,"time":114000000,"process":0,"type":"ok","f":"write","value":[17,[2,5]],"node":"n1"}
{"index":4,"time":120000000,"process":1,"type":"invoke","f":"read","value":[17,null],"node":"n2"}
{"index":5,"time":124000000,"process":1,"type":"ok","f":"read","value":[17,[1,4]],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "versioned-register".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "stale read");
}

#[test]
fn case_18_stale_read_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"txn","value":[17,[["w","x",1]]],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"txn","value":[17,[["w","x",1]]],"node":"n1"}
{"index":2,"time":110000000,"process":0,"type":"invoke","f":"txn","value":[17,[["w","x",2]]],"node":"n1"}
{"index":3,"time":114000000,"process":0,"type":"ok","f":"txn","value":[17,[["w","x",2]]],"node":"n1"}
{"index":4,"time":120000000,"process":1,"type":"invoke","f":"txn","value":[17,[["r","x",null]]],"node":"n2"}
{"index":5,"time":124000000,"process":1,"type":"ok","f":"txn","value":[17,[["r","x",1]]],"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "map".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "stale read");
}

#[test]
fn case_19_stale_read_on_key_17() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r##"
{"index":0,"time":100000000,"process":0,"type":"invoke","f":"put","value":[17,"a"],"node":"n1"}
{"index":1,"time":104000000,"process":0,"type":"ok","f":"put","value":[17,"a"],"node":"n1"}
{"index":2,"time":110000000,"process":0,"type":"invoke","f":"append","value":[17,"b\"#"],"node":"n1"}
{"index":3,"time":114000000,"process":0,"type":"ok","f":"append","value":[17,"b\"#"],"node":"n1"}
{"index":4,"time":120000000,"process":1,"type":"invoke","f":"get","value":[17,null],"node":"n2"}
{"index":5,"time":124000000,"process":1,"type":"ok","f":"get","value":[17,"a"],"node":"n2"}
"##;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "text".to_owned(), initial: None };
    let verdict = model.checker(Keys::Keyed).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "stale read");
}

#[test]
fn case_20_no_legal_order() {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::{Budget, Keys, Valid, model::NamedModel};

    let history = r#"
{"index":0,"time":120000000,"process":1,"type":"invoke","f":"range","value":{"Start":"a"},"node":"n2"}
{"index":1,"time":124000000,"process":1,"type":"ok","f":"range","value":{"Range":{"Count":0,"KVs":[]},"Revision":7},"node":"n2"}
"#;
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel { name: "etcd".to_owned(), initial: Some(serde_json::from_str(r#"[]"#).unwrap()) };
    let verdict = model.checker(Keys::Single).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "not linearizable");
}
