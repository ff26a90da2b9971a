//! Writes what the fuzzer starts from: `fuzz_seeds TESTDATA CORPUS` gives each target its folder of seeds in CORPUS.

use portcullis_compiler::fuzzing::seeds;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(testdata), Some(corpus)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: fuzz_seeds TESTDATA CORPUS"));
    };
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in seeds::of(&testdata)? {
        let number = numbers.entry(seed.target).or_default();
        let folder = corpus.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{number:04}")), &seed.bytes)?;
        *number += 1;
    }
    Ok(())
}
