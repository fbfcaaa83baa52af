//! The heap: each content once, as `ab/<md5>.gz`, named by the md5 of the plain content.

mod anew;
pub mod aside;
mod cache;
mod commit;
pub mod condemned;
mod copy;
mod existing;
mod guard;
mod lease;
mod listing;
mod object;
mod opened;
mod path;
mod pieces;
mod proof;
mod removal;
pub mod roots;
mod sizes;
pub mod small;
mod stage;
mod store_lease;
mod used;

pub use cache::Cache;
pub use guard::Guard;
pub use lease::Lease;
pub use listing::objects;
pub use object::Health;
pub use opened::Heap;
pub use path::{LEVEL, Names, StoreError, Stored, is_folder};
pub use stage::digest;
pub use used::Used;

#[cfg(test)]
mod tests;
