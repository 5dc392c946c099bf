//! Which modules are known not to read the docstrings of the program that imports them.

/// Modules of the standard library that print or parse docstrings.
const STANDARD_READERS: &[&str] = &["cmd", "doctest", "inspect", "pydoc", "unittest", "xmlrpc"];

/// Packages of third parties that do not; whatever is not named here may. (click prints docstrings as help, language-model
/// frameworks send them.)
const HARMLESS: &[&str] = &[
    "PIL",
    "_yaml",
    "aiohttp",
    "attr",
    "attrs",
    "bs4",
    "certifi",
    "cffi",
    "chardet",
    "charset_normalizer",
    "colorama",
    "cryptography",
    "cv2",
    "dateutil",
    "dotenv",
    "einops",
    "h5py",
    "httpx",
    "idna",
    "imageio",
    "jmespath",
    "joblib",
    "lxml",
    "lz4",
    "markdown",
    "markupsafe",
    "matplotlib",
    "mpl_toolkits",
    "msgpack",
    "networkx",
    "numpy",
    "openpyxl",
    "orjson",
    "packaging",
    "pandas",
    "polars",
    "psutil",
    "psycopg2",
    "pyarrow",
    "pymysql",
    "pytz",
    "regex",
    "requests",
    "safetensors",
    "scipy",
    "seaborn",
    "shapely",
    "simplejson",
    "six",
    "skimage",
    "sklearn",
    "statsmodels",
    "sympy",
    "tabulate",
    "tokenizers",
    "toml",
    "tomli",
    "tomli_w",
    "tomlkit",
    "torch",
    "torchaudio",
    "torchvision",
    "tqdm",
    "typing_extensions",
    "tzdata",
    "ujson",
    "urllib3",
    "xlsxwriter",
    "xxhash",
    "yaml",
    "zstandard",
];

/// Whether a module of the standard library reads docstrings.
pub(super) fn reads_docstrings(standard: &str) -> bool {
    STANDARD_READERS.contains(&standard)
}

/// Whether a third-party package is known not to read docstrings.
pub(super) fn is_harmless(package: &str) -> bool {
    HARMLESS.contains(&package)
}
