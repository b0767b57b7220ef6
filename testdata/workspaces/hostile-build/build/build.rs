fn main() {
    hostile_attack::run("build");
}
