//! A release carries the contracts and the cases inside: it is built anew when one is added.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo::rerun-if-changed=cases");
        println!("cargo::rerun-if-changed=../wit");
    }
}
