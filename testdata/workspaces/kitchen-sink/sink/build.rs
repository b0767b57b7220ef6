fn main() {
    sink_build_tool::run();
    println!("cargo:rustc-env=SINK_INCLUDE={}", std::env::var("DEP_SINKBASE_INCLUDE").unwrap_or_default());
}
