//! Flux's post-build variable substitution, in its strict mode.
//!
//! Entry point: [`substitute`], for one document. Supported are `${NAME}`, the defaults
//! `${NAME:-text}`, `${NAME-text}`, `${NAME:=text}` and `${NAME=text}` (Flux treats all four alike:
//! the text replaces an unset *or empty* variable), and `$$` for a dollar sign. The string
//! functions (`${NAME^^}`, `${NAME/a/b}` and their like) are refused by name instead of being
//! imitated badly.

use std::collections::BTreeMap;

/// The variables of a Kustomization's `postBuild`, merged in Flux's order.
pub type Variables = BTreeMap<String, String>;

/// Why a document could not be substituted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    /// The variable has no value and no default.
    #[error("variable `{name}` is not set (line {line} of the document)")]
    Unset {
        /// Name of the variable.
        name: String,
        /// Line in the document, counted from 1.
        line: u64,
    },
    /// The expression never ends, or does not begin with a name.
    #[error("`${{{text}` is not a substitution (line {line} of the document)")]
    Malformed {
        /// The text after the opening brace, cut short.
        text: String,
        /// Line in the document, counted from 1.
        line: u64,
    },
    /// A string function of Flux's substitution that is not supported here.
    #[error(
        "`${{{name}{function}…}}` uses a function that is not supported (line {line} of the document)"
    )]
    Function {
        /// Name of the variable.
        name: String,
        /// First character of the function.
        function: char,
        /// Line in the document, counted from 1.
        line: u64,
    },
}

/// Replaces the variables in `text`; without any variable the text stays as it is, as in Flux.
///
/// # Errors
/// See [`SubstituteError`]; the first fault ends the work.
pub fn substitute(text: &str, variables: &Variables) -> Result<String, SubstituteError> {
    if variables.is_empty() {
        return Ok(text.to_owned());
    }
    let mut scanner = Scanner { rest: text, line: 1, variables };
    let mut out = String::with_capacity(text.len());
    scanner.plain(&mut out)?;
    Ok(out)
}

struct Scanner<'a> {
    rest: &'a str,
    line: u64,
    variables: &'a Variables,
}

impl<'a> Scanner<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count() as u64;
        self.rest = rest;
        taken
    }

    /// Copies text up to the end, replacing expressions.
    fn plain(&mut self, out: &mut String) -> Result<(), SubstituteError> {
        while let Some(at) = self.rest.find('$') {
            out.push_str(self.advance(at));
            if self.rest.starts_with("$$") {
                self.advance(2);
                out.push('$');
            } else if self.rest.starts_with("${") {
                self.advance(2);
                out.push_str(&self.expression()?);
            } else {
                out.push_str(self.advance(1));
            }
        }
        let length = self.rest.len();
        out.push_str(self.advance(length));
        Ok(())
    }

    /// Reads one expression after its opening brace, up to and with its closing brace.
    fn expression(&mut self) -> Result<String, SubstituteError> {
        let line = self.line;
        let malformed = |rest: &str| SubstituteError::Malformed {
            text: rest.chars().take_while(|c| *c != '\n').take(24).collect(),
            line,
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = self.rest.find(|c: char| !is_name(c)).unwrap_or(self.rest.len());
        if length == 0 {
            return Err(malformed(self.rest));
        }
        let name = self.advance(length);
        let value = self.variables.get(name);
        let default = match self.rest.chars().next() {
            Some('}') => {
                self.advance(1);
                let unset = SubstituteError::Unset { name: name.to_owned(), line };
                return value.cloned().ok_or(unset);
            }
            Some(':') if self.rest.starts_with(":-") || self.rest.starts_with(":=") => 2,
            Some('-' | '=') => 1,
            Some(function @ (':' | '^' | ',' | '/' | '#' | '%')) => {
                return Err(SubstituteError::Function { name: name.to_owned(), function, line });
            }
            _ => return Err(malformed(name)),
        };
        self.advance(default);
        let text = self.default_text(name, line)?;
        Ok(value.filter(|value| !value.is_empty()).cloned().unwrap_or(text))
    }

    fn default_text(&mut self, name: &str, line: u64) -> Result<String, SubstituteError> {
        let mut out = String::new();
        loop {
            let Some(at) = self.rest.find(['}', '$']) else {
                return Err(SubstituteError::Malformed { text: name.to_owned(), line });
            };
            out.push_str(self.advance(at));
            if self.rest.starts_with('}') {
                self.advance(1);
                return Ok(out);
            }
            if self.rest.starts_with("${") {
                self.advance(2);
                out.push_str(&self.expression()?);
            } else {
                out.push_str(self.advance(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, SubstituteError>) {
        let variables: Variables = [("FQDN", "sov1.example.org"), ("EMPTY", "")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        assert_eq!(substitute(text, &variables), expected.map(str::to_owned));
    }

    #[test]
    fn names_and_defaults_are_replaced_as_flux_does() {
        check("host: api.${FQDN}", Ok("host: api.sov1.example.org"));
        check("a: ${NONE:-x}${EMPTY:-y}${FQDN:=z}", Ok("a: xysov1.example.org"));
        check("a: ${NONE:-http://${FQDN}/}", Ok("a: http://sov1.example.org/"));
        check("a: ${EMPTY}.", Ok("a: ."));
    }

    #[test]
    fn dollars_that_are_no_expression_stay() {
        check("cost: $5 $$${FQDN} $${FQDN} $HOME", Ok("cost: $5 $sov1.example.org ${FQDN} $HOME"));
    }

    #[test]
    fn an_unset_variable_is_an_error_with_its_line() {
        check("a: 1\nb: ${NOPE}", Err(SubstituteError::Unset { name: "NOPE".into(), line: 2 }));
    }

    #[test]
    fn functions_and_broken_expressions_are_refused() {
        let function = SubstituteError::Function { name: "FQDN".into(), function: '^', line: 1 };
        check("${FQDN^^}", Err(function));
        check("${FQDN", Err(SubstituteError::Malformed { text: "FQDN".into(), line: 1 }));
        check("${-x}", Err(SubstituteError::Malformed { text: "-x}".into(), line: 1 }));
    }

    #[test]
    fn without_variables_nothing_is_touched() {
        assert_eq!(substitute("a: ${NOPE} $$", &Variables::new()).unwrap(), "a: ${NOPE} $$");
    }
}
