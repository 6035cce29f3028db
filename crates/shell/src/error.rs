//! What goes wrong in scripts.

/// A script that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: line {line}: syntax error: {what}")]
pub struct SyntaxError {
    /// The script.
    pub name: String,
    /// Where, from 1.
    pub line: u32,
    /// What is wrong.
    pub what: String,
    /// More text may mend it: what an interactive shell asks for.
    pub unfinished: bool,
}

/// Why a script, a file or a function could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Its file cannot be opened.
    #[error("{}: {source}", path.display())]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no such function.
    #[error("{0}: no such function")]
    NoFunction(String),
}
