#![no_main]
portcullis_fuzz::target!("guarantees");
