//! What each tool promises, and what all of them do: options, statuses, messages, output.

// Input that is none: one line, the documented status, nothing changed.
mod bad_input;
// Snap-diff.
mod diff;
// Documents: options, examples and figures are as they say.
mod docs;
// Snap-reuse and snap-merge.
mod fanout;
// Ignore rules of snap-scan, compared with git.
mod gitignore;
// What `make install` and `make deb` install.
mod install;
// Snap-verify, snap-forget and snap-gc.
mod keep;
// Files written with `-o`, standard output and the heap cache.
mod outputs;
// How a root is given.
mod roots;
// What snap-diff compares.
mod sides;
// Exit statuses, and names on a terminal.
mod statuses;
// The contract of the stream between tools.
mod stream;
