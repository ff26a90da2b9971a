//! Objects as loaders see them: sections, symbols, relocations, type information.
#![expect(clippy::unwrap_used, reason = "test code, helpers included")]

mod shop;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use portcullis_codegen_ebpf::datapath::Hook;
use portcullis_codegen_ebpf::disasm::Listing;
use portcullis_codegen_ebpf::insn::{Imm64, Insn};

/// The objects of every pod of the shop, also written to the target directory for inspection by hand.
fn objects() -> Vec<(String, Vec<u8>)> {
    let model = shop::model();
    let mut objects = Vec::new();
    for (id, endpoint) in model.cluster.endpoint_ids() {
        for compiled in shop::compile(&model, id) {
            let name = format!("{}-{}.o", endpoint.name, compiled.hook.program_name());
            let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
            std::fs::write(path, &compiled.object.bytes).unwrap();
            objects.push((name, compiled.object.bytes));
        }
    }
    objects
}

#[test]
fn sections_and_symbols_are_what_all_loaders_take() {
    for (name, bytes) in objects() {
        let elf = object::read::File::parse(&*bytes).unwrap();
        assert_eq!(elf.architecture(), object::Architecture::Bpf, "{name}");
        for section in ["classifier", ".maps", "license", ".BTF", ".BTF.ext"] {
            assert!(elf.section_by_name(section).is_some(), "{name}: {section}");
        }
        assert_eq!(
            elf.section_by_name("license").unwrap().data().unwrap(),
            b"Dual MIT/GPL\0"
        );
        for map in ["conntrack", "counters", "events"] {
            let symbol = elf.symbol_by_name(map).unwrap();
            assert!(symbol.is_global() && symbol.size() > 0, "{name}: {map}");
            assert_eq!(symbol.kind(), object::SymbolKind::Data);
        }
        let programs: Vec<_> = elf
            .symbols()
            .filter(|symbol| symbol.kind() == object::SymbolKind::Text)
            .collect();
        assert_eq!(programs.len(), 1, "{name}");
        assert!(programs[0].is_global());
        assert_eq!(
            programs[0].size(),
            elf.section_by_name("classifier").unwrap().size()
        );
    }
}

#[test]
fn reading_back_gives_relocated_instructions() {
    for (name, bytes) in objects() {
        let program = portcullis_codegen_ebpf::elf::Object { bytes }.load().unwrap();
        assert_eq!(program.maps, ["conntrack", "counters", "events"], "{name}");
        for insn in &program.insns {
            match insn {
                Insn::LoadImm64 {
                    value: Imm64::Map(map),
                    ..
                } => assert!((0..3).contains(map)),
                Insn::LoadImm64 {
                    value: Imm64::MapValue { map, offset },
                    ..
                } => {
                    assert_eq!(*map, program.tables_number());
                    assert!((*offset as usize) < program.tables.len());
                }
                _ => {}
            }
        }
    }
}

/// aya's own parser and relocation, as the node uses them.
#[test]
fn aya_takes_the_objects() {
    for (name, bytes) in objects() {
        let mut object = aya_obj::Object::parse(&bytes).unwrap();
        let mut maps: Vec<_> = object.maps.keys().cloned().collect();
        maps.sort();
        maps.retain(|map| map != ".rodata");
        assert_eq!(maps, ["conntrack", "counters", "events"], "{name}");
        let conntrack = &object.maps["conntrack"];
        assert_eq!((conntrack.key_size(), conntrack.value_size()), (40, 8));
        assert_eq!(conntrack.max_entries(), 262_144);
        assert_eq!(object.programs.len(), 1);
        assert!(matches!(
            object.programs.values().next().unwrap().section,
            aya_obj::ProgramSection::SchedClassifier
        ));
        let maps = object.maps.clone();
        let numbered = maps
            .iter()
            .zip(10..)
            .map(|((name, map), fd)| (name.as_str(), fd, map));
        object
            .relocate_maps(numbered, &std::collections::HashSet::new())
            .unwrap();
    }
}

/// The search for the row, beside the lines that make the rows.
#[test]
fn listing_shows_policy_lines() {
    let model = shop::model();
    let [_, from_pod] = shop::compile(&model, shop::endpoint(&model, "client"));
    let program = from_pod.object.load().unwrap();
    let listing = Listing {
        program: &program,
        lines: true,
    }
    .to_string();
    assert_eq!(
        listing.lines().filter(|line| !line.starts_with(';')).count(),
        program.insns.len()
    );
    // From the first line that is not the policy's own to where the search ends.
    let search: Vec<&str> = listing
        .lines()
        .skip(1)
        .skip_while(|line| !line.starts_with(';'))
        .collect();
    let end = search.iter().position(|line| line.contains("# client")).unwrap();
    insta::assert_snapshot!(search[..end].join("\n"));
}

#[test]
fn equal_input_gives_equal_bytes() {
    assert_eq!(objects(), objects());
}

/// A pod without policies needs no tables, tracks nothing, and still refuses foreign addresses.
#[test]
fn an_unrestricted_pod_has_a_small_program() {
    let model = shop::model();
    let [to_pod, from_pod] = shop::compile(&model, shop::endpoint(&model, "other"));
    assert_eq!((to_pod.hook, from_pod.hook), (Hook::ToPod, Hook::FromPod));
    for compiled in [to_pod, from_pod] {
        assert!(compiled.plan.rodata.is_empty());
        let program = compiled.object.load().unwrap();
        assert!(program.tables.is_empty());
    }
}
