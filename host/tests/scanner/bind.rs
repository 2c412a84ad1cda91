// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copies of guests with fixed addresses in their slots.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pvhost::bind::{BindError, bind};
use pvhost::image::{Image, Machine};
use pvhost::provides::Provides;

use crate::guest::{DATA, Guest, TABLES};
use crate::program::Folder;

const LIST: &str = "\
pv_console_write fn(*const u8, usize) -> isize @ 0x40001000
pv_port_in fn(u16, u32) -> i64 @ 0x40001010
pv_shutdown @ 0x40001020
";

fn provides(text: &str, machine: Machine) -> Provides {
    Provides::parse("list", text, machine.width()).expect("a sound list")
}

fn image(guest: &Guest) -> Image {
    Image::parse("guest", guest.build()).expect("a sound guest")
}

#[test]
fn nothing_but_the_slots_differs() {
    for machine in Machine::ALL {
        let image = image(&Guest::new(machine));
        let bound = bind(&image, &provides(LIST, machine), false).expect("it fits");
        let copy = Image::parse("copy", bound.file.clone()).expect("still sound");
        let pointer = machine.pointer_size() as usize;
        let mut expected = image.file().to_vec();
        for (external, address) in image
            .externals()
            .iter()
            .zip([0x4000_1000_u64, 0x4000_1010, 0x4000_1020])
        {
            // The slot as the guest finds it, by way of the segments.
            let segment = copy.segment_at(external.slot, pointer as u64).expect("a segment");
            let at = (external.slot - segment.address) as usize;
            assert_eq!(segment.data()[at..at + pointer], address.to_le_bytes()[..pointer]);
            // The data segment follows the code in the file.
            let offset = (external.slot - DATA) as usize + image.segments()[0].data().len();
            let data = image.segments()[0].data().as_ptr() as usize - image.file().as_ptr() as usize;
            expected[data + offset..][..pointer].copy_from_slice(&address.to_le_bytes()[..pointer]);
        }
        assert!(bound.file == expected, "{machine}: other bytes differ");
        let checked: Vec<_> = bound.slots.iter().map(|slot| slot.checked).collect();
        assert_eq!(checked, [true, true, false]);
    }
}

#[test]
fn every_slot_of_an_l4rtems_image_is_bound() {
    let image = image(&Guest::l4rtems());
    let list = "l4rtems_outch @ 0x1000\nl4rtems_timer_start @ 0x2000\n";
    let bound = bind(&image, &provides(list, Machine::I386), false).expect("it fits");
    let addresses: Vec<_> = bound.slots.iter().map(|slot| slot.address).collect();
    assert_eq!(addresses, [Some(0x1000), Some(0x2000), Some(0x1000)]);
}

#[test]
fn what_does_not_fit_is_named() {
    let image = image(&Guest::new(Machine::I386));
    let error =
        |list: &str, partial| bind(&image, &provides(list, Machine::I386), partial).expect_err("it does not fit");
    let missing = error("pv_port_in @ 0x1000", false);
    assert!(
        matches!(&missing, BindError::Missing { names, .. } if names[..] == ["pv_console_write", "pv_shutdown"]),
        "{missing}"
    );
    let nowhere = error("pv_port_in", true);
    assert!(
        matches!(&nowhere, BindError::NoAddress { names, .. } if names[..] == ["pv_port_in"]),
        "{nowhere}"
    );
    let other = error("pv_port_in fn(u16) -> i64 @ 0x1000", true);
    assert!(
        matches!(&other, BindError::Prototype { .. } if other.to_string().contains("`pv_port_in` is ")),
        "{other}"
    );
}

#[test]
fn a_slot_whose_bytes_are_the_guests_elsewhere_too_is_refused() {
    let mut guest = Guest::new(Machine::I386);
    let mut again = crate::guest::Load::new(0x80_0000, Vec::new(), object::elf::PF_R);
    (again.file_offset, again.file_size, again.size) = (Some(0), Some(4), 4);
    guest.loads.push(again);
    let slot = image(&guest).file_offset(TABLES + 0x800, 4).expect("in the file");
    guest.loads[2].file_offset = Some(slot as u64);
    let result = bind(&image(&guest), &provides(LIST, Machine::I386), false);
    assert!(matches!(result, Err(BindError::Shared { .. })), "{result:?}");
}

#[test]
fn segments_beside_a_slot_in_the_file_do_not_share_it() {
    let slot = TABLES + 0x800;
    let mut guest = Guest::new(Machine::I386);
    for address in [0x80_0000, 0x81_0000] {
        let mut neighbour = crate::guest::Load::new(address, Vec::new(), object::elf::PF_R);
        (neighbour.file_offset, neighbour.file_size) = (Some(0), Some(0x10));
        neighbour.size = 0x10;
        guest.loads.push(neighbour);
    }
    let offset = image(&guest).file_offset(slot, 4).expect("in the file");
    let mut file_offset = |before: u64, behind: u64| {
        guest.loads[2].file_offset = Some(before - 0x10);
        guest.loads[3].file_offset = Some(behind);
        image(&guest).file_offset(slot, 4)
    };
    let (start, end) = (offset as u64, offset as u64 + 4);
    assert_eq!(file_offset(start, end), Some(offset));
    assert_eq!(file_offset(start + 1, end), None);
    assert_eq!(file_offset(start, end - 1), None);
}

#[test]
fn the_program_writes_a_copy_or_nothing() {
    let folder = Folder::new();
    // What an earlier run has left.
    for entry in fs::read_dir(folder.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("out") || name == "link" {
            fs::remove_file(&path).expect("ours");
        } else if name == "folder" {
            fs::remove_dir(&path).expect("ours");
        }
    }
    fs::create_dir(folder.path().join("folder")).expect("a folder");
    fs::set_permissions(folder.path().join("guest"), fs::Permissions::from_mode(0o750)).expect("ours");
    std::os::unix::fs::symlink("guest", folder.path().join("link")).expect("a link");
    folder.write("host.txt", LIST);
    folder.write("some.txt", "pv_port_in fn(u16, u32) -> i64 @ 0x40001010\n");
    folder.write("nowhere.txt", LIST.replace(" @ 0x40001020", ""));
    let before = fs::read(folder.path().join("guest")).expect("the guest");
    let text: Vec<_> = [
        "bind guest --provides host.txt -o out",
        "bind arm64 --provides host.txt -o /dev/null",
        "bind guest --provides some.txt -o out.some",
        "bind guest --provides some.txt --partial -o out.partial --json",
        "bind guest --provides nowhere.txt -o out.nowhere",
        "bind guest --provides host.txt -o guest",
        "bind guest --provides host.txt -o ./folder/../guest",
        "bind guest --provides host.txt -o link",
        "bind guest --provides host.txt -o folder",
        "bind guest --provides host.txt -o /dev/null",
        "bind guest --provides host.txt -o absent/out",
        "bind guest --provides host.txt",
    ]
    .map(|arguments| folder.transcript(arguments))
    .into();
    insta::assert_snapshot!(text.join("\n"));
    assert!(
        fs::read(folder.path().join("guest")).expect("the guest") == before,
        "the guest has changed"
    );
    let mode = fs::metadata(folder.path().join("out"))
        .expect("the copy")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o750);
    // A second time the copy is replaced.
    assert!(folder.run("bind guest --provides host.txt -o out").status.success());
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| name.contains("out.") && name != "out.partial")
        .collect();
    assert_eq!(left, Vec::<String>::new());
}
