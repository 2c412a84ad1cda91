// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console blocks of a document.

/// A block: commands, and what each prints.
#[derive(Debug)]
pub struct Block {
    /// The document, named from the project's root.
    pub document: String,
    /// The number of the block's first line.
    pub line: usize,
    /// The commands in their order.
    pub steps: Vec<Step>,
}

/// A command.
#[derive(Debug, Default)]
pub struct Step {
    /// What is typed, without the prompt, in one line.
    pub command: String,
    /// What the document shows below.
    pub printed: String,
}

impl Block {
    /// The test's name: the document and the first command.
    pub fn title(&self) -> String {
        let first = self.steps.first().map_or("", |step| &step.command);
        format!("{}: {first}", self.document)
    }
}

/// The blocks of a document that are marked as a console.
pub fn blocks(document: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line != "```console" {
            continue;
        }
        let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        blocks.push(Block {
            document: document.to_owned(),
            line: number + 2,
            steps: steps(body),
        });
    }
    blocks
}

fn steps<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Whether the command goes on in the next line.
    let mut goes_on = false;
    for line in lines {
        let step = match (goes_on, line.strip_prefix("$ "), steps.last_mut()) {
            (true, _, Some(step)) => {
                step.command += line.trim_start();
                step
            }
            (false, Some(command), _) => {
                steps.push(Step {
                    command: command.to_owned(),
                    printed: String::new(),
                });
                steps.last_mut().expect("just pushed")
            }
            (_, _, Some(step)) => {
                step.printed += line;
                step.printed.push('\n');
                continue;
            }
            (_, _, None) => panic!("a console block begins with a command, not with {line:?}"),
        };
        goes_on = step.command.ends_with('\\');
        if goes_on {
            step.command.pop();
        }
    }
    steps
}
