//! What a terminal shows: just enough of one for lines that are drawn, erased and drawn again.

/// The lines on the screen after each piece of a recording that ended a write of the cursor to the start of a line.
pub struct Screen {
    lines: Vec<Vec<char>>,
    column: usize,
    columns: usize,
    /// The longest line at any time.
    pub longest: usize,
    /// Each text that stood on a line when the cursor left it or it was erased.
    pub seen: Vec<String>,
}

impl Screen {
    /// Plays a recording of everything that was written to a terminal of this width.
    pub fn play(recording: &str, columns: usize) -> Screen {
        let mut screen = Screen { lines: vec![Vec::new()], column: 0, columns, longest: 0, seen: Vec::new() };
        let mut rest = recording;
        while let Some(c) = rest.chars().next() {
            rest = match rest.strip_prefix("\x1b[") {
                Some(code) => screen.escape(code),
                None => {
                    screen.put(c);
                    &rest[c.len_utf8()..]
                }
            };
        }
        screen.leave();
        screen
    }

    fn line(&mut self) -> &mut Vec<char> {
        self.lines.last_mut().expect("a screen has a line")
    }

    fn leave(&mut self) {
        let text: String = self.line().iter().collect();
        self.longest = self.longest.max(text.chars().count());
        self.seen.push(text.trim_end().to_string());
    }

    fn put(&mut self, c: char) {
        match c {
            '\r' => self.column = 0,
            '\n' => {
                self.leave();
                self.lines.push(Vec::new());
                self.column = 0;
            }
            c => {
                let (column, columns) = (self.column, self.columns);
                assert!(column < columns, "a line of more than {columns} columns: {:?}", self.seen.last());
                let line = self.line();
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = c;
                self.column += 1;
            }
        }
    }

    /// Carries out an escape sequence, and returns what follows it.
    fn escape<'a>(&mut self, code: &'a str) -> &'a str {
        let end = code.find(|c: char| c.is_ascii_alphabetic()).expect("an escape sequence has an end");
        match &code[..=end] {
            "K" => {
                self.leave();
                let column = self.column;
                self.line().truncate(column);
            }
            colour if colour.ends_with('m') => {}
            other => panic!("a terminal was told {other:?}"),
        }
        &code[end + 1..]
    }

    /// The lines that are not empty.
    pub fn text(&self) -> Vec<String> {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_string());
        lines.filter(|line| !line.is_empty()).collect()
    }
}
