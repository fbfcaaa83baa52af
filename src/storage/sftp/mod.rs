use super::{Options, Store};
use crate::error::{Error, Result};
use std::sync::Arc;

pub fn open(scheme: &str, _rest: &str, _options: &Options) -> Result<Arc<dyn Store>> {
    Err(Error::refused(format!("{scheme}: to come")))
}
