//! Client programs to begin with: complete ones, for a register on Redis, in five languages.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Skeleton {
    /// `python`
    pub language: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// What is in it.
    pub text: &'static str,
    /// The command that runs it, in the directory of the file.
    pub command: &'static [&'static str],
    /// The command that builds it first, if it has to be built.
    pub build: Option<&'static [&'static str]>,
}

/// All of them, the shortest way to a run first.
pub const SKELETONS: [Skeleton; 5] = [
    Skeleton {
        language: "python",
        file: "client.py",
        text: include_str!("client.py"),
        command: &["python3", "client.py"],
        build: None,
    },
    Skeleton {
        language: "javascript",
        file: "client.js",
        text: include_str!("client.js"),
        command: &["node", "client.js"],
        build: None,
    },
    Skeleton {
        language: "go",
        file: "client.go",
        text: include_str!("client.go"),
        command: &["./client"],
        build: Some(&["go", "build", "-o", "client", "client.go"]),
    },
    Skeleton {
        language: "rust",
        file: "client.rs",
        text: include_str!("client.rs"),
        command: &["./client"],
        build: Some(&["rustc", "--edition=2024", "-O", "client.rs"]),
    },
    Skeleton {
        language: "shell",
        file: "client.sh",
        text: include_str!("client.sh"),
        command: &["bash", "client.sh"],
        build: None,
    },
];

/// The one in this language.
pub fn find(language: &str) -> Option<&'static Skeleton> {
    SKELETONS.iter().find(|skeleton| skeleton.language == language)
}
