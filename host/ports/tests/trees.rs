// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests on POK and L4Re, and RTEMS on both, from the trees that the environment names. What needs no tree is done
//! without: guests are linked for partitions of POK and audited.

mod untouched;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};

use paravirt_build::arch::Arch;
use paravirt_build::example::Example;
use paravirt_build::hosts;
use paravirt_build::packages::Package;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::workspace::Workspace;
use paravirt_ports::l4re::checks::{EXTRA, ExtraRuns, HOST};
use paravirt_ports::l4re::machine::Machine;
use paravirt_ports::pok::checks;
use paravirt_ports::pok::node::Node;
use paravirt_ports::rtems::bsp::Bsp;
use paravirt_ports::rtems::host::{Host, Kind};
use paravirt_ports::{l4re, pok, rtems};
use test_support::Tool;
use test_support::need::{Need, Step, User};
use untouched::untouched;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // All build in the same folders.
    arguments.test_threads.get_or_insert(1);
    let mut trials = Vec::new();
    for kind in pok::tree::Kind::ALL {
        for node in checks::ALL {
            let name = format!("{} for {}", node.name, kind.name());
            trials.push(trial(format!("pok/link {name}"), &[], move || {
                link_and_audit(&node, kind)
            }));
            trials.push(trial(format!("pok/run {name}"), &[of_pok(kind)], move || {
                run_node(&node, kind)
            }));
        }
    }
    let l4re = l4re_arch();
    let packages = Package::all(&test_support::workspace()).expect("manifests that cargo reads");
    for example in packages.iter().flat_map(Example::on_all_architectures) {
        if example.run.host == HOST {
            let needs = of_l4re(l4re.is_some_and(|arch| arch != example.arch));
            trials.push(trial(example.title(), &needs, move || run_on_l4re(&example)));
        }
    }
    for extra in EXTRA {
        let needs = of_l4re(lacks(&extra));
        trials.push(trial(format!("l4re/{}", extra.name), &needs, move || run_extra(&extra)));
    }
    for kind in [Kind::Pok, Kind::L4re] {
        let host = match kind {
            Kind::Pok => vec![User::PokTree],
            _ => of_l4re(l4re.is_some_and(|arch| arch != Arch::I386)),
        };
        let needs = [vec![User::RtemsPrefix, User::RtemsSource], host].concat();
        trials.push(trial(format!("rtems/{}", kind.name()), &needs, move || run_rtems(kind)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: String, needs: &[User], run: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    test_support::trial(name, needs, move || {
        run().map_err(|error| Failed::from(format!("{error:#}")))
    })
}

const fn of_pok(kind: pok::tree::Kind) -> User {
    match kind {
        pok::tree::Kind::Maintained => User::PokTree,
        pok::tree::Kind::Fork => User::PokForkTree,
    }
}

/// What a run on L4Re needs; `other`: an L4Re that is not the one that is named.
fn of_l4re(other: bool) -> Vec<User> {
    let mut needs = vec![User::L4reTree, User::L4reFiasco];
    needs.extend(other.then_some(User::OtherL4re));
    needs
}

/// The L4Re that the environment names; `None` if it names none. What is wrong with it, the tests say.
fn named_l4re() -> Option<l4re::tree::Tree> {
    let folder = |user: User| user.value().map(PathBuf::from);
    let (tree, fiasco) = (folder(User::L4reTree)?, folder(User::L4reFiasco)?);
    l4re::tree::Tree::at(&tree, &fiasco).ok()
}

fn l4re_arch() -> Option<Arch> {
    named_l4re().map(|tree| tree.arch)
}

/// Returns whether an L4Re is named that does not have what these runs need.
fn lacks(extra: &ExtraRuns) -> bool {
    named_l4re().is_some_and(|tree| (extra.missing)(&tree).is_some())
}

fn link_and_audit(node: &Node, kind: pok::tree::Kind) -> Result<()> {
    let workspace = test_support::workspace();
    if let Err(error) = Toolchain::find(&workspace, Arch::I386) {
        Need::Step(Step::Guests(Arch::I386)).panic(&format!("{error:#}"));
    }
    let packages = Package::all(&workspace)?;
    let pvhost = hosts::build(&workspace, hosts::PVHOST)?;
    for image in node.build_guests(&workspace, &packages, kind)? {
        node.audit(&workspace, &pvhost, &image)?;
    }
    Ok(())
}

fn run_node(node: &Node, kind: pok::tree::Kind) -> Result<()> {
    let folder = test_support::users(of_pok(kind));
    test_support::tool(Tool::Qemu);
    let workspace = test_support::workspace();
    let tree = pok::tree::Tree::at(&folder)?;
    ensure!(tree.kind == kind, "the tree is that of {}", tree.kind.name());
    untouched(&[&folder], || {
        node.run(&workspace, &Package::all(&workspace)?, &tree).map(drop)
    })
}

/// The L4Re that the user has.
fn l4re_tree() -> Result<l4re::tree::Tree> {
    let tree = test_support::users(User::L4reTree);
    let fiasco = test_support::users(User::L4reFiasco);
    test_support::tool(Tool::Qemu);
    l4re::tree::Tree::at(&tree, &fiasco)
}

fn run_on_l4re(example: &Example) -> Result<()> {
    let tree = l4re_tree()?;
    let _ = test_support::guest(example.arch, example.guest());
    on_l4re(tree, |machine, workspace| {
        l4re::checks::example(machine, workspace, example).map(drop)
    })
}

fn run_extra(extra: &ExtraRuns) -> Result<()> {
    on_l4re(l4re_tree()?, |machine, workspace| {
        (extra.run)(machine, workspace).map(drop)
    })
}

/// Runs something on a machine of that tree, which stays as it is.
fn on_l4re(tree: l4re::tree::Tree, run: impl FnOnce(&Machine<'_>, &Workspace) -> Result<()>) -> Result<()> {
    let workspace = test_support::workspace();
    let (build, source, fiasco) = (tree.build.clone(), tree.source.clone(), tree.fiasco.clone());
    untouched(&[&build, &source, &fiasco], || {
        run(&Machine::prepare(&workspace, tree)?, &workspace)
    })
}

/// RTEMS' samples on a host that is built from a user's trees.
fn run_rtems(kind: Kind) -> Result<()> {
    let prefix = test_support::users(User::RtemsPrefix);
    let source = test_support::users(User::RtemsSource);
    test_support::tool(Tool::Qemu);
    let workspace = test_support::workspace();
    ensure_built(&workspace);
    let ports = Path::new(env!("CARGO_BIN_EXE_ports"));
    untouched(&[&prefix, &source], || {
        let host = Host::prepare(
            &workspace,
            Bsp::I386,
            kind,
            &Default::default(),
            Default::default(),
            ports,
        )?;
        let location = rtems::location::Location::at(&prefix, &source, Bsp::I386)?;
        rtems::samples::run(&workspace, &location, &host)
    })
}

/// The BSP was built, by `cargo xtask test` or `cargo xtask rtems`.
fn ensure_built(workspace: &Workspace) {
    let programs = rtems::folders::Folders::new(workspace, Bsp::I386).programs;
    if !programs.is_dir() {
        Need::Step(Step::RtemsBsp(Arch::I386)).panic("run `cargo xtask rtems --no-run`");
    }
}
