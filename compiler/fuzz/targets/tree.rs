#![no_main]
portcullis_fuzz::target!("tree");
