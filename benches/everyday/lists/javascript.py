"""JavaScript and TypeScript: node, npm, compilers, bundlers, linters, tests."""

from project import Project

PACKAGE = '{"name": "shapes", "version": "1.0.0", "type": "module", "private": true, "main": "src/index.js", "scripts": {"hello": "node src/hello.js", "build": "node build.js", "test": "node --test", "start": "node src/hello.js start"}}\n'
node = Project(
    "node", "node and npm",
    {"package.json": PACKAGE, "data.csv": "id,n\n1,3\n2,4\n", "data.json": '{"n": [1, 2]}\n', ".gitignore": "dist/\nnode_modules/\n*.tgz\n",
     "src/index.js": "export const double = (n) => 2 * n;\n", "src/hello.js": "import { double } from './index.js';\nconsole.log('hello', double(21), process.argv.slice(2).join());\n",
     "build.js": "import fs from 'node:fs';\nfs.mkdirSync('dist', { recursive: true });\nfs.writeFileSync('dist/index.js', fs.readFileSync('src/index.js', 'utf8').toUpperCase());\n",
     "sum.js": "import { readFileSync, writeFileSync } from 'node:fs';\nconst rows = readFileSync('data.csv', 'utf8').trim().split('\\n').slice(1);\nwriteFileSync('sum.json', JSON.stringify({ sum: rows.reduce((s, r) => s + +r.split(',')[1], 0) }));\nconsole.log(rows.length);\n",
     "old.cjs": "const data = require('./data.json');\nconst path = require('path');\nconsole.log(data.n.length, path.basename(__filename));\n",
     "worker.js": "import { Worker, isMainThread, parentPort } from 'node:worker_threads';\nimport fs from 'node:fs';\nif (isMainThread) { new Worker(new URL(import.meta.url)).on('message', (m) => console.log(m)); } else { parentPort.postMessage(fs.readFileSync('data.csv', 'utf8').length); }\n",
     "child.js": "import { execFileSync, spawnSync } from 'node:child_process';\nconsole.log(execFileSync('sort', ['data.csv']).toString());\nconsole.log(spawnSync('wc -c < data.csv', { shell: true }).stdout.toString());\n",
     "server.js": "import http from 'node:http';\nimport fs from 'node:fs';\nconst s = http.createServer((q, r) => r.end(fs.readFileSync('data.csv'))).listen(0, '127.0.0.1', async () => { console.log((await (await fetch(`http://127.0.0.1:${s.address().port}/`)).text()).length); s.close(); });\n",
     "zip.js": "import { createReadStream, createWriteStream } from 'node:fs';\nimport { createGzip } from 'node:zlib';\nimport { pipeline } from 'node:stream/promises';\nawait pipeline(createReadStream('data.csv'), createGzip(), createWriteStream('data.gz'));\n",
     "list.js": "import fs from 'node:fs';\nfor (const name of fs.readdirSync('src').filter((n) => n.endsWith('.js')).sort()) console.log(name, fs.statSync('src/' + name).size);\n",
     "log.js": "import fs from 'node:fs';\nfs.appendFileSync('app.log', `read ${fs.readFileSync('data.csv').length}\\n`);\n",
     "index.test.js": "import test from 'node:test';\nimport assert from 'node:assert';\nimport { double } from './src/index.js';\ntest('double', () => assert.equal(double(2), 4));\n"},
    edit=("data.csv", "2,4", "2,40"), needs="node",
)  # fmt: skip
node("node sum.js")
node("node old.cjs", ("data.json", "[1, 2]", "[1, 2, 3]"))
node("node src/hello.js a b", ("src/index.js", "2 * n", "3 * n"))
node("node build.js", ("src/index.js", "2 * n", "3 * n"))
node("node worker.js")
node("node child.js")
node("node server.js")
node("node zip.js")
node("node list.js", "echo > src/more.js")
node("node log.js")
node("node --test", ("src/index.js", "2 * n", "n + 2 + 0"))
node("node -e 'console.log(require(\"fs\").readFileSync(\"data.csv\", \"utf8\").length)'")
node("node -p '1 + 1'", edit=None)
node("node --check src/index.js", ("src/index.js", "2 * n", "2 * n)"))
node("npm run hello", ("src/index.js", "2 * n", "3 * n"), needs="npm")
node("npm run build", ("src/index.js", "2 * n", "3 * n"), needs="npm")
node("npm test", ("src/index.js", "2 * n", "n + 2 + 0"), needs="npm")
node("npm start", ("src/index.js", "2 * n", "3 * n"), needs="npm")
node("npm pack", ("src/index.js", "2 * n", "3 * n"), needs="npm")
node("npm ls", needs="npm", edit=None)
node("npm pkg get version", ("package.json", "1.0.0", "1.0.1"), needs="npm")
node("npm version --no-git-tag-version patch", needs="npm", changes_input="raises the version each time", edit=("package.json", "1.0.0", "1.1.0"))

TS = {"package.json": '{"name": "app", "private": true}\n', ".gitignore": "node_modules/\ndist/\n*.tsbuildinfo\ncoverage/\n.eslintcache\n",
      "tsconfig.json": '{"compilerOptions": {"target": "es2020", "module": "commonjs", "outDir": "dist", "strict": true, "rootDir": "src", "types": []}, "include": ["src"]}\n',
      "src/main.ts": "import { half } from './lib';\nexport const answer: number = half(84);\nconsole.log(answer);\ndeclare const console: { log(x: unknown): void };\n",
      "src/lib.ts": "export function half(n: number): number {\n  return n / 2;\n}\n",
      "web/index.html": "<!doctype html><html><body><script type=\"module\" src=\"./main.js\"></script></body></html>\n",
      "web/main.js": "import { half } from './lib.js';\nimport './style.css';\ndocument.title = String(half(2));\n", "web/lib.js": "export const half = (n) => n / 2;\n",
      "web/style.css": "a { color: red; }\n", "web/plain.js": "import { half } from './lib.js';\nconsole.log(half(8));\n", "style.scss": "$c: red;\na { b { color: $c; } }\n",
      "style.less": "@c: red;\na { b { color: @c; } }\n", "a.css": "a { user-select: none }\n", "postcss.config.cjs": "module.exports = { plugins: [require('autoprefixer')] };\n",
      "rollup.config.mjs": "export default { input: 'web/plain.js', output: { file: 'dist/out.js', format: 'es' } };\n",
      "webpack.config.cjs": "module.exports = { mode: 'production', entry: './web/plain.js' };\n",
      "webpack.cache.cjs": "module.exports = { mode: 'production', entry: './web/plain.js', cache: { type: 'filesystem' } };\n",
      "babel.config.json": '{"presets": ["@babel/preset-env"]}\n', "icon.svg": '<svg xmlns="http://www.w3.org/2000/svg"><!-- c --><g><rect width="10" height="10"/></g></svg>\n',
      "page.md": "# Title\n\n*text*\n", "conf.yml": "a: [1, 2]\n", "page.hbs": "<b>{{x}}</b>\n", "page.html": "<!DOCTYPE html>\n<html><head><title>t</title></head><body></body></html>\n"}  # fmt: skip
LIB = ("src/lib.ts", "n / 2", "n / 2 + 0")
TYPE = ("src/lib.ts", "): number", "): string")
web = Project("web", "TypeScript and bundlers", TS, edit=("web/lib.js", "n / 2", "n / 3"), needs="node", slow=True)
B = "node_modules/.bin/"
web(B + "tsc --noEmit", TYPE, packages="typescript")
web("npx tsc", LIB, packages="typescript", needs="npx")
web(B + "tsc --incremental", LIB, packages="typescript")
web(B + "tsc -p . --declaration --sourceMap", LIB, packages="typescript")
web(B + "tsc -b", LIB, packages="typescript")
web(B + "esbuild web/plain.js --bundle --outfile=dist/plain.js", packages="esbuild")
web(B + "esbuild src/main.ts --minify --outdir=dist", ("src/main.ts", "84", "86"), packages="esbuild")
web(B + "rollup -c rollup.config.mjs", packages="rollup")
web(B + "webpack -c webpack.config.cjs", packages="webpack webpack-cli")
web(B + "webpack -c webpack.cache.cjs", packages="webpack webpack-cli")
web(B + "vite build web", packages="vite")
web(B + "terser web/lib.js -c -m -o lib.min.js", packages="terser")
web(B + "uglifyjs a.js -o a.min.js", packages="uglify-js", before="echo 'var a = 1 + 2;' > a.js", edit=("a.js", "1 + 2", "1 + 3"))
web(B + "babel web/lib.js -o old.js", packages="@babel/cli @babel/core @babel/preset-env")
web(B + "sass style.scss style.css", ("style.scss", "red", "blue"), packages="sass")
web(B + "lessc style.less style.css", ("style.less", "red", "blue"), packages="less")
web(B + "postcss a.css -o b.css", ("a.css", "none", "all"), packages="postcss postcss-cli autoprefixer")
web(B + "svgo icon.svg -o small.svg", ("icon.svg", '"10"', '"11"'), packages="svgo")
web(B + "tsx src/main.ts", ("src/lib.ts", "n / 2", "n / 3"), packages="tsx")
web(B + "ts-node src/main.ts", ("src/lib.ts", "n / 2", "n / 3"), packages="ts-node typescript @types/node")
web(B + "marked page.md -o page.out.html", ("page.md", "Title", "Other"), packages="marked")
web(B + "markdown-it page.md", ("page.md", "Title", "Other"), packages="markdown-it")
web(B + "js-yaml conf.yml > conf.json", ("conf.yml", "[1", "[3"), packages="js-yaml")
web(B + "handlebars page.hbs -f page.tpl.js", ("page.hbs", "<b>", "<i>"), packages="handlebars")

TESTS = {"package.json": '{"name": "app", "private": true}\n', ".gitignore": "node_modules/\ncoverage/\n.eslintcache\n.nyc_output/\n", "lib.js": "exports.half = function half(n) {\n  return n / 2;\n};\n",
         "ugly.js": "const a = {b:1,\nc:2}\nmodule.exports=a\n", "lib.test.js": "const { half } = require('./lib');\ntest('half', () => expect(half(4)).toBe(2));\n",
         "spec/lib.js": "const assert = require('assert');\nconst { half } = require('../lib');\ndescribe('half', () => it('halves', () => assert.equal(half(4), 2)));\n",
         "it.vitest.mjs": "import { test, expect } from 'vitest';\nimport { half } from './lib.js';\ntest('half', () => expect(half(4)).toBe(2));\n",
         "eslint.config.cjs": "module.exports = [{ files: ['lib.js'], rules: { 'no-unused-vars': 'error', 'no-undef': 'off' } }];\n", "jest.config.cjs": "module.exports = { testMatch: ['**/*.test.js'] };\n",
         "page.html": "<!DOCTYPE html>\n<html><head><title>t</title></head><body></body></html>\n", "vitest.config.mjs": "export default { test: { include: ['*.vitest.mjs'] } };\n"}  # fmt: skip
HALF = ("lib.js", "n / 2", "n / 2 + 0")
checks = Project("checks", "JavaScript tests and linters", TESTS, edit=HALF, needs="node", slow=True)
checks(B + "eslint lib.js", ("lib.js", "return", "const x = 1; return"), packages="eslint")
checks(B + "eslint --cache lib.js", ("lib.js", "return", "const x = 1; return"), packages="eslint")
checks(B + "prettier --check lib.js", ("lib.js", "n / 2", "n/2"), packages="prettier")
checks(B + "prettier --write ugly.js", ("ugly.js", "b:1", "b:3"), packages="prettier", changes_input="rewrites its input in place")
checks(B + "prettier ugly.js > pretty.js", ("ugly.js", "b:1", "b:3"), packages="prettier")
checks(B + "jest", packages="jest", edit=("lib.js", "n / 2", "n / 4"))
checks(B + "jest --coverage", packages="jest", edit=("lib.js", "n / 2", "n / 4"))
checks(B + "mocha spec", packages="mocha", edit=("lib.js", "n / 2", "n / 4"))
checks(B + "vitest run", packages="vitest", edit=("lib.js", "n / 2", "n / 4"))
checks(B + "c8 node lib.js", packages="c8", edit=("lib.js", "n / 2;", "n / 2;\n  // more"))
checks(B + "nyc node lib.js", packages="nyc", edit=("lib.js", "n / 2;", "n / 2;\n  // more"))
checks(B + "htmlhint page.html", ("page.html", "<title>t</title>", ""), packages="htmlhint")
checks(B + "standard lib.js", ("lib.js", "return", "return "), packages="standard", status=1, options=["--cache-exit", "0,1"])
