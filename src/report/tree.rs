//! The folders and files of a report with their sizes, in bounded memory: the largest stay, the others are summed up.
//!
//! Names come in order, so all that is in a folder comes together. What a folder holds is known when the next one begins, and
//! until then it stays.

use super::text::{cut, json_text};
use std::cmp::Reverse;

/// The files and folders in the map of a page.
pub const NODES: usize = 2000;

/// The number of nodes that are kept while names come. Twice as many are held at most.
const HELD: usize = 4000;

/// The deepest folder that is told apart. What is below it counts as files in it.
const DEPTH: usize = 64;

/// The longest part of a name that is shown, in bytes.
const PART: usize = 200;

/// A number of names, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The names.
    pub names: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.names += other.names;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// A folder or a file.
struct Node {
    name: String,
    parent: usize,
    /// A folder, or the sign of a file.
    sign: Option<char>,
    /// Everything in it.
    sum: Sum,
    /// What is in it and has no node.
    rest: Sum,
}

/// A tree of names. The first node is the root.
pub struct Tree {
    nodes: Vec<Node>,
    /// The folder of the last name, part by part.
    folder: Vec<Vec<u8>>,
    /// Its nodes. The first one is the root.
    open: Vec<usize>,
    held: usize,
}

impl Tree {
    /// Returns a tree without names.
    pub fn new() -> Tree {
        Tree::holding(HELD)
    }

    fn holding(held: usize) -> Tree {
        let root = Node { name: String::new(), parent: 0, sign: None, sum: Sum::default(), rest: Sum::default() };
        Tree { nodes: vec![root], folder: Vec::new(), open: vec![0], held }
    }

    /// Returns the sum of all names.
    pub fn sum(&self) -> Sum {
        self.nodes[0].sum
    }

    /// Adds a name, which comes in order. The sign says what it is.
    pub fn add(&mut self, name: &[u8], bytes: u64, sign: char) {
        let parts: Vec<&[u8]> = name.splitn(DEPTH, |b| *b == b'/').collect();
        let Some((last, folders)) = parts.split_last() else { return };
        let same = folders.iter().zip(&self.folder).take_while(|(part, open)| *part == open).count();
        self.folder.truncate(same);
        self.open.truncate(same + 1);
        for part in &folders[same..] {
            let node = self.push(part, None);
            self.folder.push(part.to_vec());
            self.open.push(node);
        }
        let sum = Sum { names: 1, bytes };
        let file = self.push(last, Some(sign));
        self.nodes[file].sum = sum;
        for node in &self.open {
            self.nodes[*node].sum.add(sum);
        }
        if self.nodes.len() > self.held * 2 {
            self.prune(self.held, true);
        }
    }

    /// Adds a node in the folder that is open.
    fn push(&mut self, part: &[u8], sign: Option<char>) -> usize {
        let parent = self.open[self.open.len() - 1];
        self.nodes.push(Node { name: cut(part, PART), parent, sign, sum: Sum::default(), rest: Sum::default() });
        self.nodes.len() - 1
    }

    /// Keeps the largest nodes, and those of the open folders if `open`. A folder is not smaller than what is in it and stands
    /// before it, so every node that is kept keeps its folder.
    fn prune(&mut self, most: usize, open: bool) {
        let mut order: Vec<usize> = (1..self.nodes.len()).collect();
        order.sort_unstable_by_key(|at| (Reverse(self.nodes[*at].sum.bytes), *at));
        let mut kept = vec![false; self.nodes.len()];
        kept[0] = true;
        order.iter().take(most).for_each(|at| kept[*at] = true);
        if open {
            self.open.iter().for_each(|at| kept[*at] = true);
        }
        let mut places = vec![0; self.nodes.len()];
        let mut nodes: Vec<Node> = Vec::with_capacity(most + 1);
        for (at, mut node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            let above = kept[node.parent];
            node.parent = places[node.parent];
            if kept[at] {
                places[at] = nodes.len();
                nodes.push(node);
            } else if above {
                nodes[node.parent].rest.add(node.sum);
            }
        }
        self.nodes = nodes;
        self.open.iter_mut().for_each(|at| *at = places[*at]);
    }

    /// Returns the largest nodes as JSON, nested: `[name, bytes, names, sign or 0, [what is in it], names of the rest, its bytes]`.
    pub fn json(mut self, most: usize) -> String {
        self.prune(most, false);
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().skip(1) {
            below[node.parent].push(at);
        }
        below.iter_mut().for_each(|nodes| nodes.sort_by_key(|at| Reverse(self.nodes[*at].sum.bytes)));
        let mut out = String::new();
        self.push_json(0, &below, &mut out);
        out
    }

    fn push_json(&self, at: usize, below: &[Vec<usize>], out: &mut String) {
        let node = &self.nodes[at];
        let sign = node.sign.map_or_else(|| "0".to_string(), |sign| format!("\"{sign}\""));
        out.push_str(&format!("[{},{},{},{sign},[", json_text(&node.name), node.sum.bytes, node.sum.names));
        for (number, inner) in below[at].iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            self.push_json(*inner, below, out);
        }
        out.push_str(&format!("],{},{}]", node.rest.names, node.rest.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn value(tree: Tree, most: usize) -> Value {
        serde_json::from_str(&tree.json(most)).unwrap()
    }

    #[test]
    fn folders_have_the_sum_of_what_is_in_them() {
        let mut tree = Tree::new();
        for (name, bytes) in [("a-b", 1), ("a/b/c", 10), ("a/d", 5), ("z", 2)] {
            tree.add(name.as_bytes(), bytes, 'f');
        }
        assert_eq!(tree.sum(), Sum { names: 4, bytes: 18 });
        let b = json!(["b", 10, 1, 0, [["c", 10, 1, "f", [], 0, 0]], 0, 0]);
        let a = json!(["a", 15, 2, 0, [b, ["d", 5, 1, "f", [], 0, 0]], 0, 0]);
        let files = [json!(["z", 2, 1, "f", [], 0, 0]), json!(["a-b", 1, 1, "f", [], 0, 0])];
        assert_eq!(value(tree, 9), json!(["", 18, 4, 0, [a, files[0], files[1]], 0, 0]));
    }

    #[test]
    fn what_is_left_out_is_summed_up_where_it_was() {
        let mut tree = Tree::holding(10);
        for folder in 0..50 {
            for file in 0..50 {
                tree.add(format!("{folder:02}/{file:02}").as_bytes(), if (folder, file) == (7, 7) { 10_000 } else { 1 }, 'f');
                assert!(tree.nodes.len() <= 2 * 10 + 2);
            }
        }
        let seven = json!(["07", 10_049, 50, 0, [["07", 10_000, 1, "f", [], 0, 0]], 49, 49]);
        assert_eq!(value(tree, 2), json!(["", 12_499, 2500, 0, [seven], 2450, 2450]));
    }

    #[test]
    fn a_name_with_very_many_parts_takes_no_more_than_others() {
        let mut tree = Tree::new();
        tree.add("d/".repeat(100_000).as_bytes(), 1, 'f');
        assert_eq!(tree.nodes.len(), DEPTH + 1);
        assert!(tree.nodes.iter().all(|node| node.name.len() <= PART + 4));
    }
}
