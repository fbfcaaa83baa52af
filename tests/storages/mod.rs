//! Storages: what each promises, and what services, servers and networks do to it.

// Attributes of objects.
mod attributes;
// Objects in archives.
mod cold;
// The contract of `Store`, asked of every storage.
pub mod conformance;
// Services and servers that the tests start.
pub mod emulators;
// The table of features in the man page.
mod features;
// Connections and services that fail or answer with something else.
pub mod faulty;
// The options of fsspec's storages.
mod fsspec;
// The filters over snapshots and streams, in a bucket.
mod filters;
// Listings of large buckets.
mod listing;
// Cleaning a heap in a service beside its writers.
pub mod gc;
// Services that are like Amazon's S3, but not quite.
mod services;
// Roots in memory.
mod memory;
// Options about writing.
mod options;
// Access policies: what they permit, and what is asked.
mod policies;
// Buckets that keep versions.
mod versions;
// The tools on roots in other storages.
mod remote;
// SFTP and WebDAV servers that lie or refuse.
mod servers;
