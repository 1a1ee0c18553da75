//! The file of a soak: what is combined with what.
//!
//! ```toml
//! target = "etcd"
//!
//! [run]                               # the same for all: flags of `duress run`
//! time = "30s"
//!
//! [matrix]                            # every combination of these; flags of `duress run`, too
//! workload = ["register", "set", "queue", "lock"]
//! faults = ["none", "kill", "pause,partition"]
//! "set.reads" = ["linearizable", "serializable"]
//!
//! [[exclude]]                         # combinations that have all of this are left out
//! workload = ["queue", "lock"]
//! "set.reads" = "serializable"
//!
//! [[weight]]                          # and these come three times in each round
//! times = 3
//! workload = "register"
//! ```

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Value;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// More combinations than this are a mistake: each of them is a run.
pub const MAX_COMBINATIONS: usize = 10_000;
/// Largest weight.
const MAX_WEIGHT: u64 = 100;
/// Trials between two canaries, unless the file says otherwise.
const CANARY_EVERY: u64 = 20;
/// How often a trial that proved nothing is tried again, unless the file says otherwise.
const RETRIES: u32 = 1;
/// The most of them.
const MAX_RETRIES: u32 = 5;
/// Flags of `duress run` that are the soak's to decide.
const OURS: [&str; 8] = ["seed", "dir", "out", "json", "dry-run", "canary", "progress", "ci"];
/// Between the values of a flag that is given several times.
const AGAIN: char = '\n';
/// Names of the file that are no flag.
const TARGET: &str = "target";
/// A setting of the target: `set.reads`.
const SETTING: &str = "set.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    target: Option<String>,
    #[serde(default)]
    run: BTreeMap<String, Value>,
    #[serde(default)]
    matrix: BTreeMap<String, Value>,
    #[serde(default)]
    exclude: Vec<BTreeMap<String, Value>>,
    #[serde(default)]
    only: Vec<BTreeMap<String, Value>>,
    #[serde(default)]
    weight: Vec<BTreeMap<String, Value>>,
    seed: Option<u64>,
    #[serde(default = "retries")]
    retries: u32,
    #[serde(default = "canary_every")]
    canary_every: u64,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    thin: bool,
    limit: Option<String>,
}

fn retries() -> u32 {
    RETRIES
}

fn canary_every() -> u64 {
    CANARY_EVERY
}

/// What the file says, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// What can be run, each different from all others.
    pub combinations: Vec<Combination>,
    /// How often a trial that was inconclusive or failed is tried again.
    pub retries: u32,
    /// Trials of a shard between two canaries.
    pub canary_every: u64,
    /// A soak that does not get through all combinations is complete all the same.
    pub partial: bool,
    /// Of valid runs only the small files are kept.
    pub thin: bool,
    /// Milliseconds after which a trial is ended by force.
    pub limit_ms: u64,
}

/// One way to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Combination {
    /// Everything but faults, in words: `etcd register reads=serializable`.
    pub test: String,
    /// `kill,pause`; `usual` when the file names none.
    pub faults: String,
    /// How often it comes in a round.
    pub weight: u64,
    /// The arguments of `duress run`, the target first.
    pub args: Vec<String>,
}

/// Longest trial that is not taken for one that hangs, unless the file says otherwise.
const LIMIT_MS: u64 = 30 * 60 * 1000;

/// Reads the file; the seed is the one it names.
///
/// # Errors
/// When it cannot be read, or is not as it must be.
pub fn read(path: &Path) -> Result<(Matrix, Option<u64>), Failure> {
    let failed = |source| Failure::File { path: path.to_owned(), what: "read", source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    let text = if length > MAX_BYTES {
        Err(format!("it has {length} bytes, and {MAX_BYTES} are allowed"))
    } else {
        Ok(std::fs::read_to_string(path).map_err(failed)?)
    };
    text.and_then(|text| parse(&text)).map_err(|why| {
        let fix = "see `duress docs nightly` for what it may hold";
        Failure::usage(path.display().to_string(), why, fix)
    })
}

fn parse(text: &str) -> Result<(Matrix, Option<u64>), String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    if file.canary_every == 0 {
        return Err("canary_every = 0: a soak is not to be believed without them; use 1 or more".to_owned());
    }
    if file.retries > MAX_RETRIES {
        return Err(format!("retries = {}: at most {MAX_RETRIES}", file.retries));
    }
    let limit_ms = match &file.limit {
        Some(text) => {
            let limit = humantime::parse_duration(text).map_err(|e| format!("limit = \"{text}\": {e}"))?;
            u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
        }
        None => LIMIT_MS,
    };
    let combinations = combinations(&file)?;
    let matrix = Matrix {
        combinations,
        retries: file.retries,
        canary_every: file.canary_every,
        partial: file.partial,
        thin: file.thin,
        limit_ms,
    };
    Ok((matrix, file.seed))
}

/// A choice for each axis.
type Choice = BTreeMap<String, String>;

fn combinations(file: &File) -> Result<Vec<Combination>, String> {
    let mut axes: Vec<(String, Vec<String>)> = Vec::new();
    if let Some(target) = &file.target {
        axes.push((TARGET.to_owned(), vec![target.clone()]));
    }
    for (name, value) in file.run.iter().chain(&file.matrix) {
        let varies = file.matrix.contains_key(name);
        flag(name)?;
        if axes.iter().any(|(known, _)| known == name) {
            return Err(format!("{name} is given twice"));
        }
        let values = if varies { each(name, value)? } else { vec![fixed(name, value)?] };
        axes.push((name.clone(), values));
    }
    if !axes.iter().any(|(name, _)| name == TARGET) {
        return Err("it names no target".to_owned());
    }
    let size = axes.iter().try_fold(1_usize, |size, (_, values)| size.checked_mul(values.len()));
    if size.is_none_or(|size| size > MAX_COMBINATIONS) {
        return Err(format!("it has more than {MAX_COMBINATIONS} combinations"));
    }
    let mut choices: Vec<Choice> = vec![Choice::new()];
    for (name, values) in &axes {
        let with = |choice: &Choice, value: &String| {
            let mut choice = choice.clone();
            choice.insert(name.clone(), value.clone());
            choice
        };
        choices = choices.iter().flat_map(|choice| values.iter().map(|v| with(choice, v))).collect();
    }
    let rules = |name: &str, tables: &[BTreeMap<String, Value>]| -> Result<Vec<Rule>, String> {
        tables.iter().map(|table| Rule::new(name, table, &axes)).collect()
    };
    let (exclude, only) = (rules("exclude", &file.exclude)?, rules("only", &file.only)?);
    let weight = rules("weight", &file.weight)?;
    for (rule, name) in exclude.iter().map(|r| (r, "exclude")).chain(weight.iter().map(|r| (r, "weight"))) {
        if !choices.iter().any(|choice| rule.fits(choice)) {
            return Err(format!("[[{name}]] {} fits no combination", rule.told()));
        }
    }
    choices.retain(|choice| {
        !exclude.iter().any(|rule| rule.fits(choice))
            && (only.is_empty() || only.iter().any(|rule| rule.fits(choice)))
    });
    if choices.is_empty() {
        return Err("no combination is left".to_owned());
    }
    let varying: BTreeSet<&str> =
        axes.iter().filter(|(_, values)| values.len() > 1).map(|(name, _)| name.as_str()).collect();
    Ok(choices.iter().map(|choice| combination(choice, &varying, &weight)).collect())
}

fn combination(choice: &Choice, varying: &BTreeSet<&str>, weights: &[Rule]) -> Combination {
    let get = |name: &str| choice.get(name).cloned();
    let mut test = get(TARGET).unwrap_or_default();
    if let Some(workload) = get("workload") {
        test.push_str(&format!(" {workload}"));
    }
    let mut args = vec![get(TARGET).unwrap_or_default()];
    for (name, value) in choice.iter().filter(|(name, _)| *name != TARGET) {
        let named = ["workload", "faults"].contains(&name.as_str());
        match name.strip_prefix(SETTING) {
            Some(setting) => args.extend(["--set".to_owned(), format!("{setting}={value}")]),
            None if value == "true" => args.push(format!("--{name}")),
            None if value == "false" => {}
            None => args.extend(value.split(AGAIN).flat_map(|one| [format!("--{name}"), one.to_owned()])),
        }
        if !named && varying.contains(name.as_str()) {
            test.push_str(&format!(" {}={value}", name.strip_prefix(SETTING).unwrap_or(name)));
        }
    }
    let weight = weights.iter().rev().find(|rule| rule.fits(choice)).map_or(1, |rule| rule.times);
    Combination { test, faults: get("faults").unwrap_or_else(|| "usual".to_owned()), weight, args }
}

/// Values that a combination has to have, one of each list.
struct Rule {
    fields: BTreeMap<String, Vec<String>>,
    times: u64,
}

impl Rule {
    fn new(
        kind: &str,
        table: &BTreeMap<String, Value>,
        axes: &[(String, Vec<String>)],
    ) -> Result<Self, String> {
        let mut rule = Self { fields: BTreeMap::new(), times: 1 };
        for (name, value) in table {
            if kind == "weight" && name == "times" {
                let times = value.as_integer().and_then(|times| u64::try_from(times).ok());
                rule.times = times
                    .filter(|times| (1..=MAX_WEIGHT).contains(times))
                    .ok_or_else(|| format!("[[weight]] times = {value}: use 1 to {MAX_WEIGHT}"))?;
                continue;
            }
            let Some((_, known)) = axes.iter().find(|(axis, _)| axis == name) else {
                return Err(format!("[[{kind}]] has {name}, which is neither in [run] nor in [matrix]"));
            };
            let values = match value {
                Value::Array(_) => each(name, value)?,
                value => vec![text(name, value)?],
            };
            if let Some(foreign) = values.iter().find(|value| !known.contains(value)) {
                return Err(format!("[[{kind}]] {name} = \"{foreign}\" is none of its values"));
            }
            rule.fields.insert(name.clone(), values);
        }
        if rule.fields.is_empty() {
            return Err(format!("[[{kind}]] names nothing, so it would fit everything"));
        }
        Ok(rule)
    }

    fn fits(&self, choice: &Choice) -> bool {
        self.fields.iter().all(|(name, values)| choice.get(name).is_some_and(|v| values.contains(v)))
    }

    fn told(&self) -> String {
        let told = self.fields.iter().map(|(name, values)| format!("{name} = {}", values.join(" or ")));
        told.collect::<Vec<_>>().join(", ")
    }
}

fn flag(name: &str) -> Result<(), String> {
    if OURS.contains(&name) {
        return Err(format!("{name} is decided by the soak"));
    }
    let plain = name.strip_prefix(SETTING).unwrap_or(name);
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if plain.is_empty() || plain.starts_with('-') || !plain.chars().all(fine) {
        return Err(format!("{name} is no flag of `duress run`; settings of the target are \"set.NAME\""));
    }
    Ok(())
}

fn each(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let Value::Array(values) = value else {
        return Err(format!("{name} = {value} in [matrix] is no list; what does not vary belongs to [run]"));
    };
    let values: Vec<String> = values.iter().map(|value| text(name, value)).collect::<Result<_, _>>()?;
    let different: BTreeSet<&String> = values.iter().collect();
    if values.is_empty() || different.len() < values.len() {
        return Err(format!("{name} has no value, or one of them twice"));
    }
    Ok(values)
}

/// What is the same for all; a list is a flag that is given several times.
fn fixed(name: &str, value: &Value) -> Result<String, String> {
    let Value::Array(values) = value else { return text(name, value) };
    if name == TARGET || name.starts_with(SETTING) || values.is_empty() {
        return Err(format!("{name} = {value} in [run] is a list; what varies belongs to [matrix]"));
    }
    let values: Vec<String> = values.iter().map(|value| text(name, value)).collect::<Result<_, _>>()?;
    Ok(values.join(&AGAIN.to_string()))
}

fn text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if text.starts_with('-') => {
            Err(format!("{name} = \"{text}\" would be read as a flag"))
        }
        Value::String(text) if text.contains(AGAIN) => Err(format!("{name} has a line break")),
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Boolean(yes) => Ok(yes.to_string()),
        other => Err(format!("{name} = {other} is no text, whole number, true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "target = \"etcd\"\n[run]\ntime = \"5s\"\n[matrix]\nworkload = [\"register\", \"set\"]\n\
                        faults = [\"none\", \"kill,pause\"]\n\"set.reads\" = [\"linearizable\", \"serializable\"]\n\
                        capture = [true, false]\n";

    #[test]
    fn every_combination_is_there_once() {
        let (matrix, seed) = parse(BASE).expect("a matrix");
        assert_eq!((matrix.combinations.len(), seed), (16, None));
        let args: BTreeSet<Vec<String>> = matrix.combinations.iter().map(|c| c.args.clone()).collect();
        assert_eq!(args.len(), 16);
        let first = &matrix.combinations[0];
        assert_eq!(first.test, "etcd register capture=true reads=linearizable");
        let words = "etcd --capture --faults none --set reads=linearizable --time 5s --workload register";
        assert_eq!(first.args.join(" "), words);
        assert!(!matrix.combinations.iter().any(|c| c.args.contains(&"false".to_owned())));
    }

    #[test]
    fn a_list_that_is_the_same_for_all_is_a_flag_several_times() {
        let text = BASE.replace("time = ", "gate = [\"ok-during=1\", \"sometimes=leader-changed\"]\ntime = ");
        let (matrix, _) = parse(&text).expect("a matrix");
        assert_eq!(matrix.combinations.len(), 16);
        let first = matrix.combinations[0].args.join(" ");
        assert!(first.contains("--gate ok-during=1 --gate sometimes=leader-changed --set"), "{first}");
    }

    #[test]
    fn constraints_and_weights_choose() {
        let rules = "[[exclude]]\nworkload = \"set\"\n\"set.reads\" = \"serializable\"\n\
                     [[only]]\nfaults = [\"none\"]\n[[only]]\ncapture = true\n[[weight]]\ntimes = 3\nworkload = \"set\"\n";
        let (matrix, _) = parse(&format!("{BASE}{rules}")).expect("a matrix");
        // Of 16, 4 are excluded, and of the others those with faults and without a capture.
        assert_eq!(matrix.combinations.len(), 9);
        let weights: u64 = matrix.combinations.iter().map(|c| c.weight).sum();
        assert_eq!(weights, 6 + 3 * 3);
    }

    #[test]
    fn what_is_not_meant_is_refused() {
        for (text, why) in [
            ("[matrix]\nworkload = [\"set\"]\n".to_owned(), "no target"),
            (format!("{BASE}[[exclude]]\nworkloda = \"set\"\n"), "workloda"),
            (format!("{BASE}[[exclude]]\nworkload = \"sett\"\n"), "none of its values"),
            (format!("{BASE}[[exclude]]\n"), "names nothing"),
            (
                format!("{BASE}[[only]]\nworkload = \"set\"\n[[exclude]]\nworkload = \"set\"\n"),
                "no combination",
            ),
            (format!("{BASE}[[weight]]\ntimes = 0\nworkload = \"set\"\n"), "times"),
            (BASE.replace("capture =", "seed ="), "decided by the soak"),
            (BASE.replace("capture =", "\"--x\" ="), "no flag"),
            (BASE.replace("[true, false]", "true"), "no list"),
            (BASE.replace("[true, false]", "[1, 1]"), "twice"),
            (BASE.replace("[run]", "[run]\nlabel = []"), "belongs to [matrix]"),
            (BASE.replace("[run]", "[run]\n\"set.x\" = [1, 2]"), "belongs to [matrix]"),
            (BASE.replace("\"5s\"", "\"5s\\n--x\""), "line break"),
            (BASE.replace("[true, false]", "[\"--bin=/bin/sh\"]"), "read as a flag"),
            (format!("canary_every = 0\n{BASE}"), "canary_every"),
            (format!("tagret = \"x\"\n{BASE}"), "tagret"),
            (format!("limit = \"soon\"\n{BASE}"), "limit"),
        ] {
            let refused = parse(&text).expect_err(&text);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
