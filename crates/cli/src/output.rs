//! Data goes to standard output, talk to standard error; colour never carries meaning alone.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use owo_colors::{OwoColorize as _, Style};
use serde::Serialize;

use crate::args::{Format, Global};

/// How a text begins to name one of our commands.
const NAMED: &str = concat!("`catalyst", " ");

/// Whoever read standard output has gone: nothing more can be told, and that is no failure of ours.
#[derive(Debug)]
pub(crate) struct OutputClosed;

impl std::fmt::Display for OutputClosed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for OutputClosed {}

/// Where and how a command prints.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// Standard error is a terminal: progress may be drawn over itself.
    pub(crate) live: bool,
    colour: bool,
    /// What the person typed to call this program.
    call: String,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let live = io::stderr().is_terminal();
        let colour = !global.no_color && live && io::stdout().is_terminal();
        let typed = std::env::args_os().next().unwrap_or_default().into_string();
        Self { format: global.output.format(), live, colour, call: called(typed.ok(), live) }
    }

    /// Whether colours are wanted.
    pub(crate) fn is_coloured(&self) -> bool {
        self.colour
    }

    /// Columns of the terminal that data goes to; nothing where it goes elsewhere.
    pub(crate) fn columns(&self) -> Option<usize> {
        terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
    }

    /// Plain text into a pipe.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        let call = "catalyst".to_owned();
        Self { format: Format::Table, live: false, colour: false, call }
    }

    /// Prints one line of data.
    pub(crate) fn line(&self, line: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
            written => written.context("write to standard output"),
        }
    }

    /// One of several values that a command prints while it follows something: one object a line in
    /// JSON, one document each in YAML.
    pub(crate) fn item<T: Serialize>(
        &self,
        value: &T,
        human: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.line(&human()),
            Format::Json => self.line(&serde_json::to_string(value)?),
            Format::Yaml => {
                self.line(&format!("---\n{}", serde_saphyr::to_string(value)?.trim_end()))
            }
        }
    }

    /// A value for programs alone: a person was told with [`Output::say`].
    pub(crate) fn data<T: Serialize>(&self, value: &T) -> anyhow::Result<()> {
        if self.format == Format::Table { Ok(()) } else { self.value(value, String::new) }
    }

    /// Prints a value as one document in the format asked for; `table` gives the human form.
    pub(crate) fn value<T: Serialize>(
        &self,
        value: &T,
        human: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Table => human(),
            Format::Json => serde_json::to_string_pretty(value)?,
            Format::Yaml => serde_saphyr::to_string(value)?,
        };
        self.line(text.trim_end())
    }

    /// Prints a YAML document that was made elsewhere: as it is, or in the format asked for.
    pub(crate) fn yaml(&self, text: &str) -> anyhow::Result<()> {
        if self.format != Format::Json {
            return self.line(text.trim_end());
        }
        let value: serde_json::Value = serde_saphyr::from_str(text).context("read the YAML")?;
        self.value(&value, String::new)
    }

    /// Says something to the person; not data. Commands are named as the person called this one.
    pub(crate) fn say(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", self.callable(line));
    }

    /// Texts name commands as `catalyst …`; a checkout's own is not on the search path.
    fn callable(&self, text: &str) -> String {
        text.replace(NAMED, &format!("`{} ", self.call))
    }

    /// The headline of a failure.
    pub(crate) fn failure(&self, headline: &str) {
        self.say(&format!("{} {headline}", self.paint("✕ failed:", Style::new().red().bold())));
    }

    /// A labelled line under a headline, wrapped text kept as it is.
    pub(crate) fn note(&self, label: &str, text: &str) {
        self.say(&format!("  {} {text}", self.paint(&format!("{label}:"), Style::new().bold())));
    }

    /// Applies a style where colours are wanted.
    pub(crate) fn paint(&self, text: &str, style: Style) -> String {
        if self.colour { text.style(style).to_string() } else { text.to_owned() }
    }
}

/// How the person can call this program again. A whole path in a log is a program's doing, and its
/// reader may be anywhere.
fn called(typed: Option<String>, live: bool) -> String {
    let fine = |typed: &String| {
        !typed.is_empty() && !typed.contains(' ') && (live || !typed.starts_with('/'))
    };
    typed.filter(fine).unwrap_or_else(|| "catalyst".to_owned())
}

/// Aligns rows under a header by display width; the last column is not padded.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..header.len()).map(width).collect();
    let format = |cells: Vec<&str>| {
        let last = cells.len().saturating_sub(1);
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            if column == last {
                (*cell).to_owned()
            } else {
                format!("{cell:<width$}", width = widths[column])
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![format(header.to_vec())];
    lines.extend(rows.iter().map(|row| format(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_the_command_as_it_can_be_typed() {
        assert_eq!(called(Some("./catalyst".into()), false), "./catalyst");
        assert_eq!(called(Some("/opt/catalyst".into()), true), "/opt/catalyst");
        assert_eq!(called(Some("/opt/catalyst".into()), false), "catalyst");
        let output =
            Output { format: Format::Table, live: false, colour: false, call: "./catalyst".into() };
        let text = "Run `catalyst up`; catalyst-api and `catalystd api` stay what they are.";
        let told = "Run `./catalyst up`; catalyst-api and `catalystd api` stay what they are.";
        assert_eq!(output.callable(text), told);
    }

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_space() {
        let rows =
            vec![vec!["sov1".into(), "ready".into()], vec!["a-longer-one".into(), String::new()]];
        let text = table(&["NAME", "STATE"], &rows);
        insta::assert_snapshot!(text, @"
        NAME          STATE
        sov1          ready
        a-longer-one
        ");
    }
}
