//! The heap: each content once, as `ab/<md5>.gz`, the md5 that of the plain content.

pub mod aside;
mod cache;
pub mod condemned;
pub mod guard;
mod local;
mod object;
mod opened;
mod path;
mod pieces;
mod remote;
mod renew;
pub mod roots;
pub mod small;
mod stage;
mod temp;
mod used;

pub use cache::Cache;
pub use guard::Guard;
pub use object::Health;
pub use opened::Heap;
pub use path::LEVEL;
pub use path::{StoreError, Stored};
pub use remote::md5_of;
pub(crate) use remote::{is_folder, objects};
pub use stage::digest;
pub use used::Used;
