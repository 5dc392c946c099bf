//! Which programs may read the text of a function.

use super::super::JavaScript;
use crate::hash::language::{Language, Parsed, shows_text};

/// Whether a program with these sources reads the text of a function.
fn show(sources: &[&str]) -> bool {
    let parsed = |source: &&str| JavaScript::plain().parse(source.as_bytes());
    let all: Vec<Parsed> = sources.iter().map(parsed).collect();
    all.iter().any(|parsed| parsed.exact) || shows_text(all.iter().map(|parsed| &parsed.flows))
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn the_text_of_a_function_is_followed_wherever_it_may_be_asked_for() {
    let function = "function f() { return 1 }\n";
    for use_of_it in [
        "console.log(f.toString())",
        "String(f)",
        "x = `${f}`",
        "x = f + ''",
        "x += f",
        "Function.prototype.toString.call(f)",
        "''.concat(f)",
        "'a'.includes(f)",
        "[f].join()",
        "[f] + ''",
        "[f].map(String)",
        "[f].map(x => x + '')",
        "[f].forEach(x => { out += x })",
        "[[f]].flat().map(String)",
        "[f].reduce((a, x) => a + x, '')",
        "for (const x of [f]) out += x",
        "const [x] = [f]; out = `${x}`",
        "const { a } = { a: f }; out = `${a}`",
        "const o = { a: f }; for (const k in o) out += o[k]",
        "const o = { a: f }; out = Object.values(o).map(String)",
        "const o = { a: f }; Object.entries(o).forEach(([k, v]) => { out += v })",
        "const o = {}; o[k] = f; out = o.name + ''",
        "const o = {}; o[k] = f; const p = o; out = p[k] + ''",
        "const o = {}; const p = o; p.a = f; out = o[k] + ''",
        "const o = { f }; JSON.stringify(o, (k, v) => typeof v === 'function' ? `${v}` : v)",
        "const m = new Map(); m.set('a', f); out = m.get('a') + ''",
        "o[f] = 1",
        "out = { [f]: 1 }",
        "out = f in o",
        "out = f == x",
        "out = f < x",
        "new Blob([f])",
        "new Error(f)",
        "new RegExp(f)",
        "throw f",
        "tag`${f}`",
        "console.log('%s', f)",
        "console.log(format, f)",
        "JSON.parse(f)",
        "encodeURIComponent(f)",
        "btoa(f)",
        "Symbol(f)",
        "import p from 'somewhere'; p(f)",
        "require('serialize-javascript')({ f })",
        "const speak = (x) => `${x}`; speak(f)",
        "function speak(...all) { return all.join() }\nspeak(f)",
        "function speak() { return arguments[0] + '' }\nspeak(f)",
        "const speak = ({ x }) => x + ''; speak({ x: f })",
        "const speak = (x = f) => x + ''; speak()",
        "const id = (x) => x; out = id(f) + ''",
        "const make = () => f; out = make() + ''",
        "const run = (g) => `${g()}`; run(() => f)",
        "Promise.resolve(f).then(x => console.log(`${x}`))",
        "new Promise(r => r(f)).then(x => console.log(`${x}`))",
        "(async () => console.log(`${await (async () => f)()}`))()",
        "function* g() { yield f }\nfor (const x of g()) out += x",
        "let g; g = f; out = g + ''",
        "const g = a || f; out = `${g}`",
        "class A { m() {} }\nout = new A().m + ''",
        "class A { m() {} }\nout = `${A}`",
        "class A { m() {} }\nout = new A()[k] + ''",
        "class A { m() {} }\nconst a = new A(); out = `${a.constructor}`",
        "class A { m() {} }\nfor (const k of Object.getOwnPropertyNames(A.prototype)) out += A.prototype[k]",
        "class A { constructor(x) { this.x = x } }\nout = new A(f).x + ''",
        "class A { get g() { return f } }\nout = `${new A().g}`",
        "class A { set s(x) { out = x + '' } }\nnew A().s = f",
        "class A { constructor(x) { out = x + '' } }\nclass B extends A {}\nnew B(f)",
        "class A { constructor(x) { out = x + '' } }\nclass B extends A { constructor(y) { super(y) } }\nnew B(f)",
        "g = f; out = globalThis.g + ''",
        "'x'.replace('x', () => f)",
        "'x'.replace(f, '')",
        "emitter.emit('x', f)",
        "url.searchParams.set('a', f)",
        "Reflect.apply(String, null, [f])",
        "String.apply(null, [f])",
        "setTimeout(x => console.log(x + ''), 1, f)",
        "console.count(f)",
        "@known class A {}",
        "class A { static text() { return `${this}` } }\nout = A.text()",
        "class A { static text() { return String(this) } }\nout = A.text()",
        "class A { static text() { return this.toString() } }\nout = A.text()",
        "exports.f = f; for (const k in module.exports) out += module.exports[k]",
        "Object.defineProperty(exports, n, { get() { return f } })",
        "Object.defineProperty(o, 'x', { value: f }); out = o.x + ''",
        "out = [f].values().next().value + ''",
        "out = Array.from({ length: 1 }, () => f)[0] + ''",
        "Promise.reject(f).catch(e => console.log(e + ''))",
        "globalThis.eval('f + 1')",
    ] {
        assert!(show(&[&format!("{function}{use_of_it}")]), "{use_of_it}");
    }
    for sources in [
        ["exports.f = () => 1", "const m = require('./m'); out = `${m.f}`"],
        ["exports.f = () => 1", "const { f } = require('./m'); out = f + ''"],
        ["module.exports = () => 1", "const f = require('./m'); out = String(f)"],
        ["export function f() {}", "import { f as g } from './m'; out = `${g}`"],
        ["export default () => 1", "import f from './m'; out = `${f}`"],
        ["export const f = () => 1", "import * as m from './m'; for (const k in m) out += m[k]"],
        ["export const speak = (x) => `${x}`", "import { speak } from './m'; speak(() => 1)"],
        [
            "const f = () => 1; export { f as g }",
            "export { g as h } from './m'\nimport { h } from './n'; out = h + ''",
        ],
    ] {
        assert!(show(&sources), "{sources:?}");
    }
}

#[test]
fn what_programs_usually_do_with_functions_says_nothing_of_their_text() {
    let function = "function f(x) { return x }\n";
    for use_of_it in [
        "console.log(f(1) + 'a', `${f(2)}`)",
        "console.log(f)",
        "console.log('f', f)",
        "module.exports = { f }; exports.g = f",
        "out = [1, 2].map(f).filter(x => x > 1).join()",
        "names.sort((a, b) => a < b ? -1 : 1).forEach(f)",
        "fetch('x').then(f).catch(e => { console.error(e); process.exit(1) })",
        "setTimeout(f, 10); process.nextTick(f)",
        "emitter.on('x', f)",
        "const fs = require('fs'); fs.readFile('a', (e, text) => console.log(`${text}`))",
        "const { promisify } = require('util'); const g = promisify(f); g(1)",
        "const o = { a: f, b() {} }; o.a(1); o[k](2)",
        "const counts = {}; counts[w] = (counts[w] || 0) + 1; for (const k in counts) out += `${k} ${counts[k]}`",
        "const twice = (g, x) => g(g(x)); out = twice(f, 1) + ''",
        "const retry = async (g, n) => { try { return await g() } catch (e) { if (n) return retry(g, n - 1) } }; retry(() => f(1), 3)",
        "class A { constructor(n) { this.n = n } label() { return `a ${this.n}` } }\nconsole.log(`${new A(1).label()}`)",
        "class A extends Error { constructor(m) { super(m); this.name = 'A' } }\nthrow new A(`bad ${x}`)",
        "class A { toString() { return 'a' } }\nconsole.log(`${new A()}`)",
        "class A { #cache = new Map(); get(k) { if (!this.#cache.has(k)) this.#cache.set(k, f(k)); return this.#cache.get(k) } }\nout = new A().get('x') + ''",
        "if (typeof f === 'function' && f !== g && f != null) f()",
        "const { program } = require('commander'); program.option('-x').action((o) => console.log(`${o.x}`))",
        "const pLimit = require('p-limit'); const limit = pLimit(2); limit(() => f(1))",
        "const handlers = { add: (a, b) => a + b }; out = handlers[op](1, 2) + ''",
        "const sum = (...all) => all.reduce((a, b) => a + b, 0); out = `${sum(1, 2)}`",
        "const rows = [[1, 2]]; for (let i = 0; i < 2; i++) out += rows[0][i] + 1",
        "'a-b'.replace(/-(.)/, (_, c) => c.toUpperCase())",
        "JSON.stringify({ a: 1, f }, null, 2)",
        "const server = require('http').createServer((q, r) => r.end(`${q.url}`)); server.listen(0)",
        "f.call(this, 1); f.apply(null, [1]); const g = f.bind(null); g()",
        "test('x', () => { f(1) })",
    ] {
        assert!(!show(&[&format!("{function}{use_of_it}")]), "{use_of_it}");
    }
    for sources in [
        [
            "exports.f = () => 1; exports.NAME = 'a'",
            "const { f, NAME } = require('./m'); console.log(`${NAME} ${f()}`)",
        ],
        ["export const all = (xs, g) => xs.map(g)", "import { all } from './m'; all([1], x => x + 1)"],
        [
            "export class A { run(cb) { return cb(1) } }",
            "import { A } from './m'; console.log(`${new A().run(x => x * 2)}`)",
        ],
        ["module.exports = class { go() {} }", "const A = require('./m'); new A().go()"],
        ["export default function main() {}", "import main from './m'; main().catch(console.error)"],
    ] {
        assert!(!show(&sources), "{sources:?}");
    }
}
