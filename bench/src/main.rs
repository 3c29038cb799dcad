//! The program `bench`; see the library.
fn main() -> anyhow::Result<()> {
    bench::main()
}
