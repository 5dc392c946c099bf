// The oracles of the normal forms of JavaScript and TypeScript: acorn and the TypeScript compiler's parser.
//
// Prints one JSON object a line: a source and its syntax tree's digest (null where it does not parse). Sources with the
// same "group" belong together; the first of a group is the original.
"use strict";

const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");

const [tools, mode, language, count, seed] = process.argv.slice(2);
const load = (name) => require(path.join(tools, "node_modules", name));

const digest = (tree) => createHash("sha256").update(JSON.stringify(tree)).digest("hex");

// A small generator of numbers, so that every run makes the same mutants.
let state = Number(seed) >>> 0;
function below(end) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 4294967296) * Math.max(end, 1));
}
const pick = (list) => list[below(list.length)];

// --- acorn ---

function acornTree(source, goal) {
  const { parse } = load("acorn");
  const options = { ecmaVersion: "latest", sourceType: goal, allowHashBang: true, allowReturnOutsideFunction: goal === "script" };
  try {
    return digest(plain(parse(source, options)));
  } catch {
    return null;
  }
}

// Without positions, and without what makes no difference when run: the grouping of `a && (b && c)`, the order of a
// regular expression's flags, `{a: a}` for `{a}`.
function plain(node) {
  if (Array.isArray(node)) return node.map(plain);
  if (typeof node === "bigint") return `${node}n`;
  if (node instanceof RegExp) return null;
  if (node === null || typeof node !== "object") return Object.is(node, -0) ? "-0" : node;
  if (node.type === "LogicalExpression") {
    const operands = [];
    const flatten = (side) =>
      side.type === "LogicalExpression" && side.operator === node.operator
        ? (flatten(side.left), flatten(side.right))
        : operands.push(plain(side));
    flatten(node);
    return { type: node.type, operator: node.operator, operands };
  }
  const result = {};
  for (const [key, value] of Object.entries(node)) {
    if (["start", "end", "shorthand", "bigint"].includes(key)) continue;
    if (key === "raw" && (node.type === "Literal" || node.type === "JSXText")) continue;
    if (key === "directive") result[key] = value;
    else if (key === "regex") result[key] = [value.pattern, [...value.flags].sort().join("")];
    else result[key] = plain(value);
  }
  return result;
}

const goalOf = (source) => (/^\s*(import|export)\b/m.test(source) && acornTree(source, "module") ? "module" : "script");

// --- TypeScript ---

function typescriptTree(source) {
  const ts = load("typescript");
  const file = ts.createSourceFile("a.ts", source, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS);
  if (file.parseDiagnostics.length > 0) return null;
  const dump = (node) => {
    const kind = ts.SyntaxKind[node.kind];
    const expression = node.expression;
    if (node.kind === ts.SyntaxKind.ParenthesizedExpression || node.kind === ts.SyntaxKind.ParenthesizedType) {
      return dump(expression ?? node.type);
    }
    // `| A` is `A`.
    const isJoined = node.kind === ts.SyntaxKind.UnionType || node.kind === ts.SyntaxKind.IntersectionType;
    if (isJoined && node.types.length === 1) return dump(node.types[0]);
    if (node.kind === ts.SyntaxKind.ShorthandPropertyAssignment && !node.objectAssignmentInitializer) {
      return ["PropertyAssignment", dump(node.name), dump(node.name)];
    }
    if (node.kind === ts.SyntaxKind.BinaryExpression) {
      const operator = node.operatorToken.kind;
      const logical = [ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken];
      if (logical.includes(operator)) {
        const operands = [];
        const flatten = (side) => {
          let inner = side;
          while (inner.kind === ts.SyntaxKind.ParenthesizedExpression) inner = inner.expression;
          if (inner.kind === ts.SyntaxKind.BinaryExpression && inner.operatorToken.kind === operator) {
            flatten(inner.left);
            flatten(inner.right);
          } else operands.push(dump(side));
        };
        flatten(node);
        return ["Logical", operator, operands];
      }
    }
    const own = [kind];
    if (node.kind === ts.SyntaxKind.ExpressionStatement && expression.kind === ts.SyntaxKind.ParenthesizedExpression) {
      own.push("(");
    }
    if (node.kind === ts.SyntaxKind.RegularExpressionLiteral) {
      const end = node.text.lastIndexOf("/");
      own.push(node.text.slice(0, end), [...node.text.slice(end + 1)].sort().join(""));
    } else if (node.rawText !== undefined) own.push(node.rawText);
    else if (node.text !== undefined && node.kind !== ts.SyntaxKind.SourceFile) own.push(node.text);
    for (const key of ["operator", "keywordToken", "token", "isTypeOnly", "isExportEquals", "phaseModifier", "isTypeOf"]) {
      if (node[key] !== undefined) own.push(key, node[key]);
    }
    const flags = ts.NodeFlags.BlockScoped | ts.NodeFlags.OptionalChain | ts.NodeFlags.GlobalAugmentation | ts.NodeFlags.Namespace;
    own.push(node.flags & flags);
    // `new A` is `new A()`.
    const children = [];
    ts.forEachChild(node, (child) => {
      // A lone `;` in a class.
      if (child.kind === ts.SyntaxKind.SemicolonClassElement) return;
      // Which child it is, told by name: `a ? b : c` has three.
      const role = Object.keys(node).find((key) => node[key] === child || (Array.isArray(node[key]) && node[key].includes(child)));
      children.push([role, dump(child)]);
    });
    return [...own, children];
  };
  return digest(dump(file));
}

const treeOf = (source, goal) => (language === "typescript" ? typescriptTree(source) : acornTree(source, goal));

// --- mutants ---

const WORDS = ["if", "else", "for", "while", "return", "const", "let", "var", "new", "typeof", "await", "async", "function", "class",
  "this", "null", "true", "x", "yield", "in", "of", "delete", "void", "import", "export", "default", "static", "get"];
const SIGNS = ["+", "-", "*", "/", "%", "**", "&&", "||", "??", "&", "|", "<", ">", "<=", ">=", "==", "===", "!=", "!==", "=", "+=", "=>",
  "?.", ".", ",", ";", ":", "?", "(", ")", "[", "]", "{", "}", "!", "~", "...", "`", "//", "/*", "*/", "#", "@"];
const CONSTANTS = ["0", "1", "1.0", "0x1", "1n", "''", '"a"', "`a`", "/a/g", "/a/gi", "null", "010", "1e400", "-0", "'\\u0041'", "'\\ud800'"];
const SHAPES = /[A-Za-z_$][\w$]*|\d[\w.]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\s+|[^\s\w]/g;

function mutate(source) {
  const tokens = [...source.matchAll(SHAPES)].filter((token) => token[0].trim());
  const at = below(source.length + 1);
  const token = pick(tokens);
  const begin = token.index;
  const end = begin + token[0].length;
  const replaced = (text) => source.slice(0, begin) + text + source.slice(end);
  const lines = source.split("\n");
  const row = below(lines.length);
  const kind = pick(["delete", "insert", "token", "drop", "double", "swap", "parenthesis", "line-out", "line-swap", "comment", "blank",
    "join", "quotes", "type", "semicolon", "newline"]);
  switch (kind) {
    case "delete":
      return [kind, source.slice(0, at) + source.slice(at + 1)];
    case "insert":
      return [kind, source.slice(0, at) + pick(SIGNS) + source.slice(at)];
    case "token":
      if (/^[A-Za-z_$]/.test(token[0])) return [kind, replaced(pick(WORDS))];
      if (/^["'\d]/.test(token[0])) return [kind, replaced(pick(CONSTANTS))];
      return [kind, replaced(pick(SIGNS))];
    case "drop":
      return [kind, replaced("")];
    case "double":
      return [kind, replaced(`${token[0]} ${token[0]}`)];
    case "swap":
      return [kind, replaced(pick(tokens)[0])];
    case "parenthesis":
      return [kind, replaced(`(${token[0]})`)];
    case "line-out":
      lines.splice(row, 1);
      return [kind, lines.join("\n")];
    case "line-swap": {
      const other = below(lines.length);
      [lines[row], lines[other]] = [lines[other], lines[row]];
      return [kind, lines.join("\n")];
    }
    case "comment":
      lines[row] += pick([" // note", " /* note */", " /* a\n b */"]);
      return [kind, lines.join("\n")];
    case "blank":
      lines.splice(row, 0, pick(["", "  ", "// own line", "/* own */"]));
      return [kind, lines.join("\n")];
    case "join":
      lines.splice(row, 2, lines.slice(row, row + 2).join(pick([" ", "; "])));
      return [kind, lines.join("\n")];
    case "quotes":
      return [kind, token[0].startsWith('"') ? replaced(`'${token[0].slice(1, -1)}'`) : replaced(token[0].replace(/^'(.*)'$/, '"$1"'))];
    case "type":
      return [kind, source.slice(0, end) + pick([": number", "?", "!", " as any", "<T>", " satisfies X", ": A | (B & C)"]) + source.slice(end)];
    case "semicolon":
      return [kind, source.replace(/;(\s*)$/m, "$1")];
    default:
      return [kind, `${source.slice(0, end)}\n${source.slice(end)}`];
  }
}

function files(extension) {
  const found = [];
  const walk = (directory) => {
    for (const entry of fs.readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const full = path.join(directory, entry.name);
      if (entry.isDirectory()) walk(full);
      else if (entry.name.endsWith(extension) && !entry.name.endsWith(".d.ts") && fs.statSync(full).size < 60000) found.push(full);
    }
  };
  walk(path.join(tools, "node_modules"));
  return found;
}

const emit = (group, kind, source, goal) =>
  process.stdout.write(`${JSON.stringify({ group, kind, source, tree: treeOf(source, goal) })}\n`);

function statements(source) {
  if (language === "typescript") {
    const ts = load("typescript");
    const file = ts.createSourceFile("a.ts", source, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS);
    return file.statements.map((node) => source.slice(node.getStart(file), node.end));
  }
  const { parse } = load("acorn");
  try {
    const options = { ecmaVersion: "latest", sourceType: goalOf(source), allowHashBang: true, allowReturnOutsideFunction: true };
    return parse(source, options).body.map((node) => source.slice(node.start, node.end));
  } catch {
    return [];
  }
}

function mutants() {
  const all = files(language === "typescript" ? ".ts" : ".js");
  let group = 0;
  let made = 0;
  while (made < Number(count)) {
    const body = statements(fs.readFileSync(pick(all), "utf8")).filter((text) => text.length >= 10 && text.length <= 6000);
    for (let taken = 0; taken < 6 && body.length > 0; taken += 1) {
      const [text] = body.splice(below(body.length), 1);
      const goal = goalOf(text);
      if (treeOf(text, goal) === null) continue;
      group += 1;
      emit(group, "original", text, goal);
      for (let times = 0; times < 8; times += 1) {
        const [kind, changed] = mutate(text);
        if (changed === text) continue;
        emit(group, kind, changed, goal);
        made += 1;
      }
    }
  }
}

async function prettier() {
  const { format } = load("prettier");
  const parser = language === "typescript" ? "typescript" : "babel";
  const all = files(language === "typescript" ? ".ts" : ".js");
  for (let group = 0; group < Number(count); group += 1) {
    const source = fs.readFileSync(pick(all), "utf8");
    const goal = goalOf(source);
    for (const [kind, options] of [["prettier", {}], ["prettier, other", { semi: false, singleQuote: true, tabWidth: 4, printWidth: 60 }]]) {
      let other;
      try {
        other = await format(source, { parser, ...options });
      } catch {
        continue;
      }
      if (treeOf(source, goal) === null) continue;
      emit(`${group} ${kind}`, "original", source, goal);
      emit(`${group} ${kind}`, kind, other, goal);
    }
  }
}

if (mode === "mutants") mutants();
else prettier();
