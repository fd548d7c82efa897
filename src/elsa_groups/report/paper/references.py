r"""BibTeX of what a run used: data, model, method of the intervals, terms and tools.

The entry of ELSA is that of its README; the facts of the others are as others cite them. What has no
publication of its own has no entry. Data sets have theirs in :mod:`elsa_groups.data.datasets`.
"""

from collections.abc import Mapping
from typing import Any

from elsa_groups.data.datasets import dataset_class
from elsa_groups.report.paper.latex import escape_latex

Record = Mapping[str, Any]

ELSA, JACKKNIFE, FAIRNESS, MINORITY = "vancura2022elsa", "shao1989jackknife", "kaya2020fairness", "barile2023"
PROGRAM = "elsa-groups"
# What tools are cited by, by the names of their packages; others have no entry.
TOOLS = {
    "torch": ("PyTorch", "paszke2019pytorch"),
    "numpy": ("NumPy", "harris2020numpy"),
    "scipy": ("SciPy", "virtanen2020scipy"),
    "numba": ("Numba", "lam2015numba"),
    "hydra-core": ("Hydra", "yadan2019hydra"),
    "mlflow": ("MLflow", "zaharia2018mlflow"),
    "matplotlib": ("Matplotlib", "hunter2007matplotlib"),
}
# Families that go by a published term.
TERMS = ("minority", "coalitional")
_OTHER_DATA = "% If the file holds other data in the same form, cite those instead."

_ENTRIES = r"""
@inproceedings{vancura2022elsa,
  author = {Van{\v{c}}ura, Vojt{\v{e}}ch and Alves, Rodrigo and Kasalick{\'y}, Petr and Kord{\'i}k, Pavel},
  title = {Scalable Linear Shallow Autoencoder for Collaborative Filtering},
  booktitle = {Proceedings of the 16th ACM Conference on Recommender Systems},
  series = {RecSys '22},
  pages = {604--609},
  publisher = {Association for Computing Machinery},
  year = {2022},
  doi = {10.1145/3523227.3551482}
}

@inproceedings{kaya2020fairness,
  author = {Kaya, Mesut and Bridge, Derek and Tintarev, Nava},
  title = {Ensuring Fairness in Group Recommendations by Rank-Sensitive Balancing of Relevance},
  booktitle = {Proceedings of the 14th ACM Conference on Recommender Systems},
  series = {RecSys '20},
  year = {2020},
  doi = {10.1145/3383313.3412232}
}

@article{barile2023,
  author = {Barile, Francesco and Draws, Tim and Inel, Oana and Rieger, Alisa and others},
  title = {Evaluating explainable social choice-based aggregation strategies for group recommendation},
  journal = {User Modeling and User-Adapted Interaction},
  year = {2023},
  doi = {10.1007/s11257-023-09363-0}
}

@article{shao1989jackknife,
  author = {Shao, J. and Wu, C. F. J.},
  title = {A General Theory for Jackknife Variance Estimation},
  journal = {The Annals of Statistics},
  volume = {17},
  number = {3},
  pages = {1176--1197},
  year = {1989},
  doi = {10.1214/aos/1176347263}
}

@inproceedings{paszke2019pytorch,
  author = {Paszke, Adam and Gross, Sam and Massa, Francisco and Lerer, Adam and Bradbury, James and others},
  title = {{PyTorch}: An Imperative Style, High-Performance Deep Learning Library},
  booktitle = {Advances in Neural Information Processing Systems 32},
  pages = {8024--8035},
  publisher = {Curran Associates, Inc.},
  year = {2019}
}

@article{harris2020numpy,
  author = {Harris, Charles R. and Millman, K. Jarrod and van der Walt, St{\'e}fan J. and others},
  title = {Array programming with {NumPy}},
  journal = {Nature},
  volume = {585},
  number = {7825},
  pages = {357--362},
  year = {2020},
  doi = {10.1038/s41586-020-2649-2}
}

@article{virtanen2020scipy,
  author = {Virtanen, Pauli and Gommers, Ralf and Oliphant, Travis E. and others},
  title = {{SciPy} 1.0: Fundamental Algorithms for Scientific Computing in {Python}},
  journal = {Nature Methods},
  volume = {17},
  pages = {261--272},
  year = {2020},
  doi = {10.1038/s41592-019-0686-2}
}

@inproceedings{lam2015numba,
  author = {Lam, Siu Kwan and Pitrou, Antoine and Seibert, Stanley},
  title = {Numba: A {LLVM}-based {Python} {JIT} Compiler},
  booktitle = {Proceedings of the Second Workshop on the LLVM Compiler Infrastructure in HPC},
  year = {2015},
  doi = {10.1145/2833157.2833162}
}

@misc{yadan2019hydra,
  author = {Yadan, Omry},
  title = {Hydra: A framework for elegantly configuring complex applications},
  howpublished = {GitHub},
  year = {2019},
  url = {https://github.com/facebookresearch/hydra}
}

@article{zaharia2018mlflow,
  author = {Zaharia, Matei and Chen, Andrew and Davidson, Aaron and Ghodsi, Ali and Hong, Sue Ann and others},
  title = {Accelerating the Machine Learning Lifecycle with {MLflow}},
  journal = {IEEE Data Engineering Bulletin},
  volume = {41},
  number = {4},
  pages = {39--45},
  year = {2018}
}

@article{hunter2007matplotlib,
  author = {Hunter, John D.},
  title = {Matplotlib: A {2D} graphics environment},
  journal = {Computing in Science \& Engineering},
  volume = {9},
  number = {3},
  pages = {90--95},
  year = {2007},
  doi = {10.1109/MCSE.2007.55}
}
"""


def _key_of(entry: str) -> str:
    """Return what stands between the brace and the first comma."""
    return entry.partition("{")[2].partition(",")[0]


_BY_KEY = {_key_of(entry): entry for entry in _ENTRIES.strip().split("\n\n")}


def cited_by(dataset: str) -> str:
    """Return the key of what a data set is cited by; empty if that is not known."""
    return _key_of(dataset_class(dataset).reference or "")


def used_references(record: Record) -> tuple[str, ...]:
    """Return the keys of what a run used, in the order of the methods paragraph.

    Parameters
    ----------
    record : mapping
        Of the lineage record: data, settings and environment.
    """
    settings, packages = record["settings"], record["environment"]["packages"]
    data = cited_by(record["data"]["dataset"])
    keys = [data] if data else []
    keys += [ELSA] if settings["similarity"]["source"] != "vectors" else []
    keys += [MINORITY] if any(name in TERMS for name in settings["families"]) else []
    keys += [FAIRNESS] if settings["filters"]["distinct_first"]["value"] else []
    keys += [JACKKNIFE] if settings["evidence"]["halves"] else []
    return (*keys, PROGRAM, *(key for name, (_, key) in TOOLS.items() if name in packages))


def write_bibliography(record: Record) -> str:
    """Return a BibTeX file of what a run used; the data set has none where none is known.

    Parameters
    ----------
    record : mapping
        Of the lineage record: data, settings and environment.
    """
    reference = dataset_class(record["data"]["dataset"]).reference
    cited = _BY_KEY | {_key_of(reference or ""): f"{_OTHER_DATA}\n{reference}"}
    keys = used_references(record)
    entries = [_program(record["environment"]) if key == PROGRAM else cited[key] for key in keys]
    if reference is None:
        entries.insert(0, "% The data set is your own: add its reference here.")
    return "\n\n".join(entries) + "\n"


def _program(environment: Mapping[str, Any]) -> str:
    version = escape_latex(environment["packages"][PROGRAM])
    commit = environment["code"].get("commit")
    note = f"Version {version}" + (f", commit {escape_latex(commit)}" if commit else "")
    return f"@misc{{{PROGRAM},\n  title = {{{PROGRAM}}},\n  note = {{{note}}}\n}}"
