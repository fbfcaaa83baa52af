//! What each tool promises, and what all of them do: options, statuses, messages, output.

// Input that is none: one line, the documented status, nothing changed.
mod bad_input;
// Colour, and the plot of snap-list.
mod color;
// snap-diff.
mod diff;
// Encrypted heaps.
mod encryption;
// Documents: options, examples and figures are as they say.
mod docs;
// Import circles, lengths and public names in `src`.
mod house;
// Ignore rules of snap-scan, compared with git.
mod gitignore;
// What `make install` and `make deb` install.
mod install;
// What is published: packages, archives, and the workflow that makes them.
mod packages;
// Files written with `-o`, standard output and the heap cache.
mod outputs;
// Progress, SIGUSR1, -v, and the work that a snapshot remembers.
mod progress;
// Units of systemd, and the line of cron.
mod scheduled;
// How a root is given.
mod roots;
// What snap-diff compares.
mod sides;
// Exit statuses, and names on a terminal.
mod statuses;
// The contract of the stream between tools.
mod stream;
// snap-cat.
mod cat;
// snap-copy.
mod copy;
// snap-forget.
mod forget;
// snap-gc.
mod gc;
// snap-gc by several processes.
mod references;
// snap-heapify.
mod heapify;
// snap-log, and parts of snap-read.
mod log;
// snap-list.
mod list;
// snap-merge.
mod merge;
// snap-patch.
mod part;
mod patch;
// snap-put.
mod put;
// snap-read.
mod read;
// snap-report.
mod report;
// snap-restore.
mod restore;
// snap-reuse.
mod reuse;
// snap-scan.
mod scan;
// The page for people who come from other tools: their commands and ours.
mod switching;
// snap-to-tar and snap-from-tar.
mod tar;
// snap-verify.
mod verify;
// snap-write.
mod write;
