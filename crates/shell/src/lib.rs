//! The POSIX shell: lexer, parser, expansion, execution, jobs, line editor.
