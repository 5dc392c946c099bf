"""Python: scripts, tests, linters, packaging, documentation."""

from project import Project

ROWS = "id,city,amount\n" + "".join(f"{n},{['Oslo', 'Bergen', 'Narvik'][n % 3]},{n * 37 % 101}\n" for n in range(1, 61))
CSV = ("rows.csv", "7,Bergen", "7,Tromso")
MAIN = "if __name__ == '__main__':\n"
script = Project(
    "scripts", "Python scripts",
    {"rows.csv": ROWS, "conf.json": '{"rate": 0.5, "names": ["a", "b"]}\n', "big.txt": "word\n" * 500,
     "tools/__init__.py": "", "tools/text.py": "def upper(s):\n    return s.upper()\n",
     "totals.py": "import csv, collections\nsums = collections.Counter()\nwith open('rows.csv', newline='') as f:\n    for row in csv.DictReader(f):\n        sums[row['city']] += int(row['amount'])\nwith open('totals.csv', 'w', newline='') as f:\n    csv.writer(f).writerows(sorted(sums.items()))\nprint(len(sums))\n",
     "to_json.py": "import csv, json\nrows = list(csv.DictReader(open('rows.csv')))\njson.dump(rows, open('rows.json', 'w'), indent=1)\n",
     "cli.py": "import argparse\nfrom tools.text import upper\np = argparse.ArgumentParser()\np.add_argument('--name', default='x')\na = p.parse_args()\nprint(upper(a.name), open('conf.json').read())\n",
     "db.py": "import csv, os, sqlite3\nif os.path.exists('rows.db'):\n    os.remove('rows.db')\nd = sqlite3.connect('rows.db')\nd.execute('create table r (id int, city text, amount int)')\nd.executemany('insert into r values (?, ?, ?)', list(csv.reader(open('rows.csv')))[1:])\nd.commit()\nprint(d.execute('select count(*) from r').fetchone()[0])\n",
     "db_again.py": "import csv, sqlite3\nd = sqlite3.connect('rows.db')\nd.execute('create table if not exists r (id int primary key, city text, amount int)')\nd.executemany('insert or replace into r values (?, ?, ?)', list(csv.reader(open('rows.csv')))[1:])\nd.commit()\n",
     "log.py": "import logging\nlogging.basicConfig(filename='run.log', level=logging.INFO, format='%(levelname)s %(message)s')\nlogging.info('read %d', len(open('rows.csv').readlines()))\nprint('done')\n",
     "dirs.py": "import os, shutil\nos.makedirs('out/deep', exist_ok=True)\nshutil.copy('rows.csv', 'out/deep/rows.csv')\n",
     "paths.py": "from pathlib import Path\nout = Path('out')\nout.mkdir(exist_ok=True)\nfor i, line in enumerate(Path('rows.csv').read_text().splitlines()[1:4]):\n    (out / f'{i}.txt').write_text(line)\n",
     "replace.py": "import json, os\nos.makedirs('out', exist_ok=True)\nwith open('out/state.tmp', 'w') as f:\n    json.dump({'lines': len(open('rows.csv').readlines())}, f)\nos.replace('out/state.tmp', 'out/state.json')\n",
     "resume.py": "import json, os\nstart = 0\nif os.path.exists('check.json'):\n    start = json.load(open('check.json'))['epoch']\nseed = len(open('rows.csv').read())\nfor epoch in range(start, 3):\n    json.dump({'epoch': epoch + 1, 'loss': seed / (epoch + 1)}, open('check.json', 'w'))\n    print('epoch', epoch)\n",
     "checkpoints.py": "import os, pickle\nos.makedirs('ckpt', exist_ok=True)\nw = float(len(open('rows.csv').read()))\nfor epoch in range(3):\n    w *= 0.5\n    with open(f'ckpt/{epoch}.pkl', 'wb') as f:\n        pickle.dump({'w': w}, f)\n    with open('metrics.csv', 'a') as f:\n        f.write(f'{epoch},{w}\\n')\n",
     "train.py": "import json, random\nrandom.seed(7)\ndata = [random.random() for _ in range(100)]\nscale = json.load(open('conf.json'))['rate']\njson.dump({'mean': scale * sum(data) / 100}, open('model.json', 'w'))\nprint('trained')\n",
     "temp.py": "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as t, tempfile.TemporaryDirectory() as d:\n    t.write(open('rows.csv').read())\n    t.flush()\n    open(d + '/x', 'w').write('x')\n    print(len(open(t.name).read()))\n",
     "pool.py": "from multiprocessing import Pool\ndef f(n):\n    return n * len(open('rows.csv').read())\n" + MAIN + "    with Pool(2) as p:\n        print(p.map(f, range(5)))\n",
     "futures.py": "from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor\ndef f(n):\n    return n * len(open('rows.csv').read())\n" + MAIN + "    with ProcessPoolExecutor(2) as p, ThreadPoolExecutor(2) as t:\n        print(list(p.map(f, range(4))), list(t.map(f, range(4))))\n",
     "spawn.py": "import multiprocessing as m\ndef f(q):\n    q.put(len(open('rows.csv').read()))\n" + MAIN + "    m.set_start_method('spawn')\n    q = m.Queue()\n    p = m.Process(target=f, args=(q,))\n    p.start()\n    print(q.get())\n    p.join()\n",
     "aio.py": "import asyncio\nasync def main():\n    p = await asyncio.create_subprocess_exec('sort', 'rows.csv', stdout=asyncio.subprocess.PIPE)\n    print(len((await p.communicate())[0].splitlines()))\nasyncio.run(main())\n",
     "sub.py": "import subprocess\nprint(subprocess.run(['wc', '-l', 'rows.csv'], capture_output=True, text=True).stdout)\nsubprocess.run('sort rows.csv > sorted.csv', shell=True, check=True)\n",
     "server.py": "import http.server, threading, urllib.request\nclass H(http.server.SimpleHTTPRequestHandler):\n    def log_message(self, *a): pass\ns = http.server.HTTPServer(('127.0.0.1', 0), H)\nthreading.Thread(target=s.serve_forever, daemon=True).start()\nprint(len(urllib.request.urlopen(f'http://127.0.0.1:{s.server_port}/rows.csv').read()))\ns.shutdown()\n",
     "pack.py": "import zipfile\nwith zipfile.ZipFile('rows.zip', 'w') as z:\n    z.writestr(zipfile.ZipInfo('rows.csv'), open('rows.csv').read())\nprint(zipfile.ZipFile('rows.zip').namelist())\n",
     "glob_it.py": "import glob\nopen('report.md', 'w').write('\\n'.join(sorted(glob.glob('*.csv') + glob.glob('*.json'))))\n",
     "walk.py": "import os\nfor above, directories, files in os.walk('tools'):\n    directories.sort()\n    print(above, sorted(f for f in files if f.endswith('.py')))\n",
     "rotate.py": "import os\nif os.path.exists('report.txt'):\n    os.rename('report.txt', 'report.old')\nopen('report.txt', 'w').write(open('rows.csv').read().upper())\n",
     "seen.py": "seen = set()\ntry:\n    seen = set(open('seen.txt').read().split())\nexcept FileNotFoundError:\n    pass\nnew = {line.split(',')[1] for line in open('rows.csv').readlines()[1:]} - seen\nwith open('seen.txt', 'a') as f:\n    for city in sorted(new):\n        f.write(city + '\\n')\nprint(sorted(new))\n",
     "shelf.py": "import shelve\nwith shelve.open('shelf') as s:\n    s['n'] = len(open('rows.csv').read())\n",
     "clock.py": "import datetime\nprint(datetime.datetime.now())\n"},
    edit=CSV, needs="python3",
)  # fmt: skip
script("python3 totals.py")
script("python3 totals.py", ("totals.py", "print(len(sums))", "print('n', len(sums))"), name="python3 totals.py (its own text changes)")
script("python3 to_json.py")
script("python3 cli.py --name ada", ("conf.json", "0.5", "0.6"))
script("python3 cli.py --name bob", ("tools/text.py", "upper()", "lower()"))
script("python3 db.py")
script("python3 db_again.py", changes_input="updates the database that is there")
script("python3 log.py")
script("python3 dirs.py", shows="the mode of its input")
script("python3 paths.py", ("rows.csv", "1,Bergen", "1,Tromso"))
script("python3 replace.py", ("rows.csv", "60,Oslo", "60,Oslo,0\n61,Oslo"))
script("python3 resume.py", changes_input="goes on from its checkpoint")
script("python3 checkpoints.py")
script("python3 train.py", ("conf.json", "0.5", "0.6"))
script("python3 temp.py")
script("python3 pool.py")
script("python3 futures.py")
script("python3 spawn.py")
script("python3 aio.py", ("rows.csv", "60,Oslo", "60,Oslo,0\n61,Oslo"))
script("python3 sub.py", ("rows.csv", "60,Oslo", "60,Oslo,0\n61,Oslo"))
script("python3 server.py")
script("python3 pack.py")
script("python3 glob_it.py", "touch more.csv")
script("python3 walk.py", "touch tools/more.py")
script("python3 rotate.py", changes_input="renames its earlier result")
script("python3 seen.py", changes_input="goes on from what it has seen")
script("python3 shelf.py", changes_input="updates the database that is there")
script("python3 clock.py", uncounted="shows the time", edit=None)
script("python3 -c 'print(open(\"rows.csv\").read().count(\"Oslo\"))'", ("rows.csv", "7,Bergen", "7,Oslo"))
script("python3 -m json.tool conf.json", ("conf.json", "0.5", "0.6"))
script("python3 -m compileall -q tools", ("tools/text.py", "upper()", "lower()"), shows="file times")
script("python3 -m py_compile cli.py", ("cli.py", "default='x'", "default='y'"))
script("python3 -m zipfile -c it.zip rows.csv", shows="file times")
script("python3 -m tarfile -c it.tar tools", ("tools/text.py", "upper()", "lower()"), shows="file times")
script("python3 -m base64 -e conf.json", ("conf.json", "0.5", "0.6"))
script("python3 -m timeit -n 10 pass", uncounted="measures time", edit=None)
script("python3 -m pip list", needs="pip", edit=None)
script("cat rows.csv | python3 -c 'import sys; print(len(sys.stdin.read()))'")
script("python3 -W error -X utf8 to_json.py && python3 -m json.tool rows.json > nice.json", shows="the path of its own tree")
script("python3 -m venv .venv --without-pip", slow=True, shows="the path of its own tree", edit=None)

SOURCE = "import sys\n\n\nclass Shape:\n    \"\"\"A shape.\"\"\"\n\n    def area(self) -> float:\n        \"\"\"Its area.\"\"\"\n        return 2.0\n\n\ndef main() -> int:\n    \"\"\"Say it.\"\"\"\n    print(Shape().area(), sys.argv[1:])\n    return 0\n"
TEST = "from shapes import Shape\n\n\ndef test_area():\n    assert Shape().area() == 2.0\n\n\ndef test_data():\n    assert len(open('data.txt').read()) > 0\n"
PYPROJECT = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n\n[project]\nname = 'shapes'\nversion = '1.0'\n\n[project.scripts]\nshapes = 'shapes:main'\n\n[tool.setuptools.packages.find]\nwhere = ['src']\n\n[tool.pytest.ini_options]\npythonpath = ['src']\ntestpaths = ['tests']\n\n[tool.mypy]\nfiles = 'src'\n"
MESSY = "import sys, os\nx = { 'a':1,\n'b':2 }\ndef f( a,b ):\n  return a+b\nprint(x,f(1,2), os.sep, sys.path[:0])\n"
PACKAGE = {"src/shapes/__init__.py": SOURCE, "src/shapes/more.py": "from . import Shape\n\nTWO = [Shape(), Shape()]\n",
           "tests/test_shapes.py": TEST, "data.txt": "data\n", "pyproject.toml": PYPROJECT, "messy.py": MESSY, "README.md": "# Shapes\n",
           "test_plain.py": "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(len(open('data.txt').read()), 5)\n",
           "notes.txt": ">>> 1 + 1\n2\n", ".gitignore": "__pycache__/\n*.egg-info/\nbuild/\ndist/\n.coverage\n",
           "conf.yml": "a: 1\nb:\n  - x\n", "run.sh": "#!/bin/sh\necho \"$1\"\n",
           ".pre-commit-config.yaml": "repos:\n  - repo: local\n    hooks:\n      - id: words\n        name: words\n        entry: grep -q data data.txt\n        language: system\n        pass_filenames: false\n"}  # fmt: skip
CODE = ("src/shapes/__init__.py", "return 2.0", "return 2.00")
package = Project("package", "Python tests", PACKAGE, needs="python3", edit=("data.txt", "data", "dater"))
package("pytest -q", ("tests/test_shapes.py", "> 0", "> 1"), modules="pytest", needs="pytest")
package("pytest", ("src/shapes/__init__.py", "2.0", "1.0 + 1.0"), modules="pytest", needs="pytest")
package("pytest -x -k area", CODE, modules="pytest", needs="pytest")
package("pytest -p no:cacheprovider tests/test_shapes.py", modules="pytest", needs="pytest")
package("pytest --junitxml=report.xml", modules="pytest", needs="pytest")
package("pytest --lf", modules="pytest", needs="pytest")
package("pytest -n 2", modules="pytest xdist", needs="pytest")
package("pytest --cov=shapes", modules="pytest pytest_cov", needs="pytest")
package("pytest --cov=shapes --cov-report=xml --cov-report=html", modules="pytest pytest_cov", needs="pytest")
package("python3 -m pytest -q tests", modules="pytest")
package("coverage run -m pytest -q", modules="pytest coverage", needs="coverage")
package("coverage report", modules="coverage", needs="coverage", before="coverage run test_plain.py", edit="coverage run -m unittest -q test_plain", shows="the path of its own tree")
package("coverage html -q", modules="coverage", needs="coverage", before="coverage run test_plain.py", edit="coverage run -m unittest -q test_plain", shows="the path of its own tree")
package("python3 -m unittest", ("test_plain.py", "5)", "4 + 1)"), shows="the path of its own tree")
package("python3 -m unittest -v test_plain", ("test_plain.py", "5)", "4 + 1)"), shows="the path of its own tree")
package("python3 -m doctest notes.txt", ("notes.txt", "1 + 1\n2", "1 + 2\n3"))
package("python3 -m doctest -v notes.txt", ("notes.txt", "1 + 1\n2", "1 + 2\n3"))

lint = Project("lint", "Python linters and types", PACKAGE, needs="python3", edit=("src/shapes/__init__.py", "import sys\n", "import os\nimport sys\n"))
lint("mypy src", ("src/shapes/more.py", "TWO = [", "TWO: int = ["), needs="mypy")
lint("mypy --strict src", needs="mypy", edit=("src/shapes/__init__.py", "-> int", "-> str"))
lint("mypy --no-incremental src", needs="mypy", edit=("src/shapes/__init__.py", "-> int", "-> str"))
lint("ruff check .", needs="ruff", status=1, options=["--cache-exit", "0,1"])
lint("ruff check src", needs="ruff")
lint("ruff check --fix messy.py", needs="ruff", edit=("messy.py", "1,2", "2,1"), changes_input="rewrites its input in place", status=1, options=["--cache-exit", "0,1"])
lint("ruff format --check src", needs="ruff", edit=("src/shapes/__init__.py", "import sys\n", "import  sys\n"))
lint("ruff format messy.py", needs="ruff", edit=("messy.py", "1,2", "2,1"), changes_input="rewrites its input in place")
lint("black --check src", needs="black", edit=("src/shapes/__init__.py", "import sys\n", "import  sys\n"))
lint("black -q messy.py", needs="black", edit=("messy.py", "1,2", "2,1"), changes_input="rewrites its input in place")
lint("black --diff messy.py", needs="black", edit=("messy.py", "1,2", "2,1"), shows="file times")
lint("isort --check src", needs="isort", edit=("src/shapes/__init__.py", "import sys\n", "import sys\nimport os\n"))
lint("isort messy.py", needs="isort", edit=("messy.py", "sys, os", "sys, io, os"), changes_input="rewrites its input in place")
lint("flake8 src", needs="flake8")
lint("pylint --disable=all --enable=unused-import src/shapes", needs="pylint")
lint("pyflakes src/shapes/more.py", needs="pyflakes", edit=("src/shapes/more.py", "TWO", "import os\nTWO"))
lint("vulture src", needs="vulture", status=3, options=["--cache-exit", "0,3"])
lint("bandit -q -r src", needs="bandit", edit=("src/shapes/__init__.py", "import sys\n", "import pickle\nimport sys\n"))
lint("autopep8 -d messy.py", needs="autopep8", edit=("messy.py", "1,2", "2,1"))
lint("yapf -d messy.py", needs="yapf", edit=("messy.py", "1,2", "2,1"), status=1, options=["--cache-exit", "0,1"])
lint("yamllint conf.yml", needs="yamllint", edit=("conf.yml", "a: 1", "a:  1"), status=0)
lint("shellcheck run.sh", needs="shellcheck", edit=("run.sh", '"$1"', "$1"))
lint("pre-commit run --all-files", needs="pre-commit", edit=("data.txt", "data", "datum"), before="git config user.name x")

build = Project("build", "Python packaging and documentation",
    {**PACKAGE, "docs/conf.py": "project = 'shapes'\n", "docs/index.rst": "Shapes\n======\n\nText.\n\n.. toctree::\n\n   more\n", "docs/more.rst": "More\n====\n\nText.\n",
     "mkdocs.yml": "site_name: shapes\ndocs_dir: pages\n", "pages/index.md": "# Shapes\n\nText.\n", "pages/more.md": "# More\n", "fast.pyx": "def f(int n):\n    return n + 1\n",
     "note.rst": "Note\n====\n\nText.\n"},
    needs="python3", edit=CODE, slow=True)  # fmt: skip
PAGE = ("docs/more.rst", "Text.", "Other text.")
build("sphinx-build -b html docs docs/_build", PAGE, needs="sphinx-build")
build("sphinx-build -q -b text docs docs/_text", PAGE, needs="sphinx-build")
build("sphinx-build -M html docs docs/_build", PAGE, needs="sphinx-build")
build("mkdocs build", ("pages/more.md", "More", "Less"), needs="mkdocs")
build("python3 -m build --wheel --no-isolation", modules="build setuptools wheel")
build("pip wheel --no-build-isolation --no-deps -w dist .", modules="setuptools wheel", needs="pip")
build("pip install --no-build-isolation --no-deps --no-index --target lib .", modules="setuptools wheel", needs="pip")
build("pip list", needs="pip", edit=None)
build("pip show numpy", needs="pip", modules="numpy", edit=None)
build("pip check", needs="pip", edit=None)
build("pip freeze > frozen.txt", needs="pip", edit=None)
build("python3 -c 'import setuptools; setuptools.setup()' -q bdist_wheel", modules="setuptools wheel", shows="the mode of its input")
build("cython -3 fast.pyx", ("fast.pyx", "n + 1", "n + 2"), needs="cython")
build("rst2html note.rst note.html", ("note.rst", "Text.", "More."), needs="rst2html")
build("uv pip list --system", needs="uv", edit=None)
build("uv run --no-project --offline python -c 'print(open(\"data.txt\").read())'", ("data.txt", "data", "datum"), needs="uv")

science = Project("science", "data science and notebooks",
    {"rows.csv": ROWS,
     "clean.py": "import pandas as pd\nd = pd.read_csv('rows.csv')\nd = d.groupby('city').amount.sum().reset_index()\nd.to_csv('clean.csv', index=False)\nprint(d)\n",
     "parquet.py": "import os, pandas as pd\nos.makedirs('out', exist_ok=True)\npd.read_csv('rows.csv').to_parquet('out/rows.parquet')\n",
     "excel.py": "import pandas as pd\nd = pd.read_csv('rows.csv')\nd.to_json('rows.json', orient='records')\nd.to_pickle('rows.pkl')\nd.describe().to_html('rows.html')\n",
     "npy.py": "import numpy as np\na = np.loadtxt('rows.csv', delimiter=',', skiprows=1, usecols=(0, 2))\nnp.save('a.npy', a)\nnp.savez('a.npz', a=a)\nnp.savetxt('a.txt', a)\n",
     "svd.py": "import numpy as np\nr = np.random.default_rng(7)\nprint(np.round(np.linalg.svd(r.normal(size=(80, 80)))[1][:3], 6), len(open('rows.csv').read()))\n",
     "plot.py": "import os\nimport matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\nos.makedirs('plots', exist_ok=True)\nxs = [int(l.split(',')[2]) for l in open('rows.csv').readlines()[1:]]\nplt.plot(xs)\nplt.savefig('plots/a.png')\nplt.savefig('plots/a.svg', metadata={'Date': None})\n",
     "seab.py": "import matplotlib\nmatplotlib.use('Agg')\nimport pandas as pd, seaborn as sns\nsns.barplot(pd.read_csv('rows.csv'), x='city', y='amount', errorbar=None).figure.savefig('bars.png')\n",
     "fit.py": "import joblib, os, pandas as pd\nfrom sklearn.ensemble import RandomForestClassifier\nd = pd.read_csv('rows.csv')\nm = RandomForestClassifier(n_estimators=5, random_state=7).fit(d[['id', 'amount']], d.city)\nos.makedirs('models', exist_ok=True)\njoblib.dump(m, 'models/m.joblib')\nprint(m.score(d[['id', 'amount']], d.city))\n",
     "fit2.py": "import pandas as pd\nfrom sklearn.model_selection import cross_val_score\nfrom sklearn.tree import DecisionTreeClassifier\nd = pd.read_csv('rows.csv')\nprint(cross_val_score(DecisionTreeClassifier(random_state=1), d[['id', 'amount']], d.city, cv=3, n_jobs=2).round(3))\n",
     "memo.py": "from joblib import Memory\nm = Memory('.joblib', verbose=0)\n@m.cache\ndef slow(n):\n    return n * 2\nprint(slow(len(open('rows.csv').read())))\n",
     "duck.py": "import duckdb\nprint(duckdb.sql(\"select city, sum(amount) s from 'rows.csv' group by city order by city\").fetchall())\n",
     "duckw.py": "import duckdb\nc = duckdb.connect('rows.duckdb')\nc.execute(\"create or replace table r as select * from 'rows.csv'\")\nc.close()\n",
     "pol.py": "import polars as pl\npl.scan_csv('rows.csv').group_by('city').agg(pl.col('amount').sum()).sort('city').collect().write_csv('p.csv')\n",
     "net.py": "import networkx as nx\ng = nx.Graph(l.strip().split(',')[:2] for l in open('rows.csv').readlines()[1:])\nprint(len(g), nx.number_connected_components(g))\n",
     "sci.py": "import numpy as np\nfrom scipy import optimize, stats\nxs = np.loadtxt('rows.csv', delimiter=',', skiprows=1, usecols=2)\nprint(round(stats.skew(xs), 6), round(optimize.brentq(lambda x: x * x - xs.sum(), 0, 1e4), 6))\n",
     "img.py": "from PIL import Image\ni = Image.new('RGB', (40, 30), (len(open('rows.csv').read()) % 256, 3, 200))\ni.save('i.png')\ni.resize((10, 10)).save('small.jpg')\n",
     "xgb.py": "import pandas as pd, xgboost\nd = pd.read_csv('rows.csv')\nm = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(d[['id']], d.amount)\nm.save_model('x.json')\nprint(m.predict(d[['id']])[:2])\n",
     "nb.ipynb": '{"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title"]}, {"cell_type": "code", "execution_count": null, "id": "b", "metadata": {}, "outputs": [], "source": ["print(len(open(\'rows.csv\').read()))"]}], "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}'},
    needs="python3", edit=("rows.csv", "7,Bergen,57", "7,Narvik,5700"), slow=True)  # fmt: skip
science("python3 clean.py", modules="pandas")
science("python3 parquet.py", modules="pandas pyarrow")
science("python3 excel.py", modules="pandas")
science("python3 npy.py", modules="numpy")
science("python3 svd.py", modules="numpy")
science("python3 plot.py", modules="matplotlib")
science("python3 seab.py", modules="seaborn")
science("python3 fit.py", modules="sklearn pandas")
science("python3 fit2.py", modules="sklearn pandas")
science("python3 memo.py", modules="joblib")
science("python3 duck.py", modules="duckdb")
science("python3 duckw.py", modules="duckdb", changes_input="updates the database that is there")
science("python3 pol.py", modules="polars")
science("python3 net.py", modules="networkx")
science("python3 sci.py", modules="scipy")
science("python3 img.py", modules="PIL")
science("python3 xgb.py", modules="xgboost pandas")
NOTE = ("nb.ipynb", "# Title", "# Other")
science("jupyter nbconvert --to html nb.ipynb", NOTE, modules="nbconvert", needs="jupyter")
science("jupyter nbconvert --to script nb.ipynb", NOTE, modules="nbconvert", needs="jupyter")
science("jupyter nbconvert --execute --to notebook --output done nb.ipynb", modules="nbconvert ipykernel", needs="jupyter")
science("papermill -p x 1 nb.ipynb out.ipynb", modules="papermill ipykernel", needs="papermill")
