#![no_main]
portcullis_fuzz::target!("decisions");
