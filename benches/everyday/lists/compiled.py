"""Rust and Java."""

from project import Project

rust = Project(
    "rust", "Rust",
    {"Cargo.toml": '[package]\nname = "tally"\nversion = "0.1.0"\nedition = "2021"\n\n[workspace]\n', ".gitignore": "target/\n",
     "src/main.rs": 'fn main() {\n    println!("{}", tally::count("a b c"));\n}\n',
     "src/lib.rs": "/// Words.\npub fn count(text: &str) -> usize {\n    text.split(' ').count()\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn three() {\n        assert_eq!(super::count(\"a b c\"), 3);\n    }\n}\n",
     "one.rs": "fn main() {\n    println!(\"one\");\n}\n", "ugly.rs": "fn main(){println!( \"x\" ) ;}\n"},
    needs="cargo rustc", edit=("src/lib.rs", ".count()", ".filter(|w| w.len() < 9).count()"),
)  # fmt: skip
rust("cargo build", shows="the path of its own tree")
rust("cargo build", before="cargo build -q", name="cargo build (up to date)", shows="the path of its own tree", no_way_back="what it was built from before is built anew")
rust("cargo check", slow=True)
rust("cargo clippy", slow=True)
rust("cargo test", slow=True)
rust("cargo test", before="cargo test -q --no-run", name="cargo test (built before)", no_way_back="what it was built from before is built anew", slow=True)
rust("cargo run", slow=True)
rust("cargo run", before="cargo build -q", name="cargo run (built before)", no_way_back="what it was built from before is built anew", slow=True)
rust("cargo build --release", slow=True)
rust("cargo doc --no-deps", slow=True)
rust("cargo fmt --check", ("src/lib.rs", "usize {", "usize  {"))
rust("cargo metadata --format-version 1 --no-deps", ("Cargo.toml", "0.1.0", "0.1.1"), shows="the path of its own tree")
rust("cargo tree", ("Cargo.toml", "0.1.0", "0.1.1"), shows="the path of its own tree")
rust("cargo clean", before="cargo build -q", changes_input="removes what it finds", edit="mkdir -p target && touch target/x", slow=True)
rust("rustc one.rs", ("one.rs", "one", "two"))
rust("rustc --test src/lib.rs -o lib-test", slow=True)
rust("rustfmt ugly.rs", ("ugly.rs", '"x"', '"y"'), needs="rustfmt", changes_input="rewrites its input in place")

java = Project(
    "java", "Java",
    {"Hello.java": "import java.nio.file.*;\npublic class Hello {\n  public static void main(String[] a) throws Exception {\n    System.out.print(Files.readString(Path.of(\"data.txt\")));\n  }\n}\n",
     "data.txt": "data\n", ".gitignore": "*.class\n*.jar\n"},
    needs="javac java", edit=("data.txt", "data", "more"), slow=True,
)  # fmt: skip
TEXT = ("Hello.java", "System.out.print(", "System.out.println(")
java("javac Hello.java", TEXT)
java("javac -d out Hello.java", TEXT)
java("java -cp . Hello", before="javac Hello.java")
java("java Hello.java")
java("jar cf hello.jar Hello.class", needs="jar", before="javac Hello.java", edit="sed -i s/print/println/ Hello.java && javac Hello.java", shows="file times")
java("javadoc -quiet -d doc Hello.java", TEXT, needs="javadoc")
java("javap -c Hello.class", needs="javap", before="javac Hello.java", edit="sed -i s/print/println/ Hello.java && javac Hello.java")
java("java --version", edit=None)
