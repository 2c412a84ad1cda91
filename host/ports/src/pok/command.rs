// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask pok`: guests as partitions of POK, from a user's tree to their output.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use super::checks;
use super::node::{LIMIT, Node, Start};
use super::qemu;
use super::tree::{Tree, WHAT_TO_INSTALL};
use paravirt_build::files;
use paravirt_build::packages::Package;
use paravirt_build::workspace::Workspace;

/// Where the tree is, for those who do not want to name it each time.
pub const VARIABLE: &str = "POK_TREE";

/// Its options.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Source tree of POK, or of its fork with calls for interrupts; it stays as it is
    #[arg(long, value_name = "DIR", env = VARIABLE)]
    tree: Option<PathBuf>,
    /// Only these nodes
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// Instead of the nodes, run these finished guests side by side, each as a partition; they must have the backend
    /// pok
    #[arg(long, value_name = "ELF", num_args = 1.., conflicts_with = "nodes")]
    run: Vec<PathBuf>,
    /// Memory of each partition of --run, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    memory: u32,
    /// Seconds after which --run gives up
    #[arg(long, value_name = "SECS", default_value_t = LIMIT.as_secs())]
    timeout: u64,
}

/// Builds the nodes, runs them, shows and compares what they print. Returns whether all was right.
///
/// # Errors
/// The tree is not POK's, something does not build or start, or prints something else.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    let Some(tree) = &arguments.tree else {
        eprintln!("{WHAT_TO_INSTALL}");
        return Ok(false);
    };
    let tree = Tree::at(tree)?;
    if !arguments.run.is_empty() {
        return run_guests(workspace, arguments, &tree);
    }
    let packages = Package::all(workspace)?;
    for node in selected(&arguments.nodes)? {
        println!("\nbuilding and starting the node {}", node.name);
        let printed = node.run(workspace, &packages, &tree)?;
        println!("{}\n(as expected)", printed.join("\n"));
    }
    println!("\npok: ok");
    Ok(true)
}

/// Runs finished guests and shows what they print. Returns whether all ended with exit status 0.
fn run_guests(workspace: &Workspace, arguments: &Arguments, tree: &Tree) -> Result<bool> {
    let images = arguments.run.iter().map(|image| files::absolute("guest", image));
    let images = images.collect::<Result<Vec<PathBuf>>>()?;
    let names: Vec<_> = images
        .iter()
        .filter_map(|image| image.file_stem())
        .map(|name| name.to_string_lossy())
        .collect();
    let folder = workspace.target("pok/run").join(names.join("+"));
    let start = Start {
        images: &images,
        partition_size: arguments.memory << 20,
        sleep: true,
        input: &[],
        limit: Duration::from_secs(arguments.timeout),
    };
    let printed = start.run(tree, &folder, |line| println!("{line}"))?;
    Ok((0..images.len()).all(|partition| qemu::end(&printed, partition) == Some("exit 0")))
}

fn selected(names: &[String]) -> Result<Vec<Node>> {
    let known = checks::ALL.map(|node| node.name);
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no node {unknown}; there are: {}", known.join(", "));
    }
    let mut nodes = checks::ALL.to_vec();
    nodes.retain(|node| names.is_empty() || names.iter().any(|name| node.name == name));
    Ok(nodes)
}
