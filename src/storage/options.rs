//! Storage options: a JSON object with the names of fsspec's options. Values are never shown, because they may be secret.

use super::fsspec::{Fate, fate};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use serde_json::{Map, Value};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The storage options of one root.
#[derive(Clone, Default)]
pub struct Options {
    map: Map<String, Value>,
    from: String,
}

/// Hides the values.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.map.keys()).finish()
    }
}

impl Options {
    /// Reads a JSON object, or with `@FILE` the object in a file. `from` names the command-line option in messages.
    ///
    /// # Errors
    /// If the text is not a JSON object, or the file can't be read.
    pub fn parse(text: &OsStr, from: &str) -> Result<Options> {
        let text = match text.as_bytes().strip_prefix(b"@") {
            Some(path) => {
                let path = Path::new(OsStr::from_bytes(path));
                std::fs::read(path).or_failed(|| format!("{from}: {}", printable(path.as_os_str().as_bytes())))?
            }
            None => text.as_bytes().to_vec(),
        };
        let advice = "as in '{\"account_name\": \"me\"}', or @FILE";
        let value: Value = serde_json::from_slice(&text)
            .map_err(|e| Error::advise(format!("{from}: not JSON: line {}, column {}", e.line(), e.column()), advice))?;
        match value {
            Value::Object(map) => Ok(Options { map, from: from.to_string() }),
            _ => Err(Error::advise(format!("{from}: expected a JSON object"), advice)),
        }
    }

    /// Returns warnings about the keys for a folder of this machine, which has no options.
    pub fn without_effect(&self) -> Vec<String> {
        let keys = self.map.keys().filter(|k| fate("file", k) != Some(Fate::Harmless));
        keys.map(|k| format!("{}: {}: has no effect for a folder of this machine", self.from, printable(k.as_bytes()))).collect()
    }

    /// Refuses keys that the storage does not use, unless they are harmless. If there is no such option, suggests a similar one.
    ///
    /// # Errors
    /// For the first refused key.
    pub fn check(&self, known: &[&str], scheme: &str) -> Result<()> {
        let mut unknown = None;
        for (key, value) in self.map.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            match fate(scheme, key) {
                Some(Fate::Harmless) => {}
                Some(Fate::Refused(_)) if value.is_null() => {}
                Some(Fate::Refused(reason)) => {
                    let reason = format!("{}: {}: {reason}", self.from, printable(key.as_bytes()));
                    return Err(Error::advise(reason, format!("it has {}", known.join(", "))));
                }
                None => unknown = unknown.or(Some(key)),
            }
        }
        let Some(key) = unknown else { return Ok(()) };
        let near = known.iter().map(|k| (strsim::jaro_winkler(key, k), k)).filter(|(near, _)| *near > 0.8);
        let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| format!("; did you mean {k}?"));
        let reason = format!("{}: {}: {scheme}:// has no such option", self.from, printable(key.as_bytes()));
        let help = format!("it has {}", known.join(", "));
        Err(Error::advise(reason + &near.unwrap_or_default(), help))
    }

    /// Returns the text of a key; None if it is absent, null or empty.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        let text = self.get(key, Value::as_str, "a text")?;
        Ok(text.filter(|text| !text.is_empty()).map(str::to_string))
    }

    /// Returns the truth value of a key; None if it is absent or null.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.get(key, Value::as_bool, "true or false")
    }

    /// Returns the whole, non-negative number of a key; None if it is absent or null.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn number(&self, key: &str) -> Result<Option<u64>> {
        self.get(key, Value::as_u64, "a whole number")
    }

    fn get<'a, T>(&'a self, key: &str, typed: fn(&'a Value) -> Option<T>, expected: &str) -> Result<Option<T>> {
        self.value(key).map(|value| typed(value).ok_or_else(|| self.wrong(key, expected))).transpose()
    }

    /// Returns the JSON value of a key; None if it is absent or null.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    /// Returns an error about a key, with the reason why it is refused.
    pub fn refused(&self, key: &str, reason: &str) -> Error {
        Error::refused(format!("{}: {key}: {reason}", self.from))
    }

    /// Returns an error about the value of a key, without the value.
    pub fn wrong(&self, key: &str, expected: &str) -> Error {
        self.refused(key, &format!("expected {expected}"))
    }
}

/// Returns an environment variable; None if it is not set or empty.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|v| !v.is_empty())
}

/// Returns an environment variable as text; None if it is not set, empty or not UTF-8.
pub fn text_variable(name: &str) -> Option<String> {
    variable(name)?.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<Options> {
        Options::parse(OsStr::new(text), "--file-storage-options")
    }

    #[test]
    fn unknown_keys_are_named_and_values_never_shown() {
        let known = ["account_name", "account_key", "anon"];
        let e = options("{\"acount_key\": \"secret\"}").unwrap().check(&known, "az").unwrap_err();
        let shown = format!("{e} {:?}", e.help());
        assert!(shown.contains("did you mean account_key?") && !shown.contains("secret"), "{shown}");
        let all = options("{\"account_key\": \"secret\", \"anon\": true, \"skip_instance_cache\": true}").unwrap();
        assert!(all.check(&known, "az").is_ok());
        assert!(!format!("{all:?}").contains("secret"));
        assert!(all.text("anon").is_err() && all.flag("anon").is_ok_and(|f| f == Some(true)));
    }

    #[test]
    fn what_is_no_object_is_refused_without_showing_it() {
        for bad in ["secret", "[\"secret\"]", "{\"a\": \"secret\"", "\"secret\"", "@/nowhere"] {
            let e = options(bad).unwrap_err().to_string();
            assert!(e.starts_with("--file-storage-options: ") && !e.contains("secret"), "{e}");
        }
    }
}
