"""Makes the pages whose text is elsewhere: settings, from the files of conf/, and public names, from docstrings."""

import ast
import re
from pathlib import Path

PACKAGES = ("saddlepoint", "saddlepoint.losses", "saddlepoint.tricks", "saddlepoint.networks", "saddlepoint.data",
            "saddlepoint.metrics", "saddlepoint.game", "saddlepoint.sampling", "saddlepoint.training.callbacks")
COMMANDS = ("train", "sample", "evaluate", "compare", "upscale", "translate", "invert", "augment", "export",
            "probe", "concept", "prepare", "audit", "convert_statistics", "train_classifier", "claims")
# How the options of a group are chosen, and how their settings are typed
TYPED = {
    "callbacks": ("callbacks=NAME", "callbacks.health.every_images=4000"),
    "data": ("data=NAME", "data.batch_size=64"),
    "data/digits": ("data.digits=NAME", "data.digits.held_out=1000"),
    "data/pair": ("data.pair=NAME", "data.pair.gain=3"),
    "degradation": ("degradation=NAME", "data.pair_pool=180"),
    "experiment": ("experiment=NAME", "budget.images=100000"),
    "extractor": ("extractor=NAME", "extractor.weights=FILE"),
    "first_weights": ("", "model.initialise=RUN"),
    "hydra/launcher": ("hydra/launcher=NAME", "hydra.launcher.jobs_at_once=2"),
    "hydra/sweeper": ("hydra/sweeper=NAME", "hydra.sweeper.trials=40"),
    "logger": ("logger=NAME or logger=[NAME,NAME]", "logger.wandb.offline=false"),
    "loss": ("loss=NAME", "loss.reduction=mean"),
    "metrics": ("callbacks.sample_quality.metric=[NAME]", "metrics.kid.subsets=50"),
    "model": ("model=NAME", "model.generator.width=64"),
    "optimizer": ("optimizer=NAME", "optimizer.generator.lr=1e-4"),
    "perceptual": ("perceptual=NAME", "model.content.perceptual.weight=0.1"),
    "protocol": ("protocol=NAME, of evaluate.py", "quantisation=truncated"),
    "prior": ("prior@model.latents=NAME", "model.latents.size=10"),
    "trainer": ("trainer=NAME", "trainer.devices=2"),
    "tricks": ("trick=NAME or trick=[NAME,NAME]", "tricks.r1.gamma=1"),
    "tricks/augment/policy": ("tricks.augment.policy=NAME", "tricks.augment.policy.cutout=0"),
    "tricks/consistency/policy": ("tricks.consistency.policy=NAME", "tricks.consistency.policy.x_flip=0"),
    "turns": ("", "model.turns.discriminator_steps=5"),
}


def as_prose(comment: str) -> str:
    """Returns a yaml file's opening comment as Markdown: commands as code, links that can be followed."""
    lines, code = [], []
    for line in [*comment.splitlines(), ""]:
        bare = line.removeprefix("#").removeprefix(" ")
        if bare.startswith("  ") and not line.startswith("##"):
            code.append("    " + bare.strip())
            continue
        if code:
            lines += ["", *code, ""]
            code = []
        if not bare.startswith("@package"):
            lines.append(re.sub(r"(https?://\S+?)(?=[.,;:)]*(?:\s|$))", r"<\1>", bare))
    return "\n".join(lines).strip()


def option_page(title: str, text: str, level: str = "##") -> str:
    """Returns a section about a yaml file: what its opening comment says, then its settings."""
    opening = re.match(r"(?:#.*\n)*", text)[0]
    settings = text[len(opening):].partition("\nhydra:\n")[0].strip("\n")
    body = f"\n```yaml\n{settings}\n```\n" if settings else ""
    return f"{level} {title}\n\n{as_prose(opening)}\n{body}"


def settings_pages(conf: Path) -> dict[str, str]:
    """Returns a page for each group of conf/, and one for the commands, by file name."""
    groups = sorted(str(folder.relative_to(conf)) for folder in conf.rglob("*") if [*folder.glob("*.yaml")])
    if unlike := {*groups} ^ {*TYPED}:
        raise SystemExit(f"docs/site/reference.py: TYPED and conf/ differ in {', '.join(sorted(unlike))}")
    commands = "# Settings of the commands\n\n" + "\n".join(
        option_page(f"{name}.py", (conf / f"{name}.yaml").read_text(encoding="utf-8")) for name in COMMANDS)
    pages = {"settings/commands.md": commands}
    for group in groups:
        choice, example = TYPED[group]
        how = f"Chosen as `{choice}`; " if choice else ""
        options = [option_page(file.stem, file.read_text(encoding="utf-8"))
                   for file in sorted((conf / group).glob("*.yaml"))]
        pages[page_of_settings(Path(group))] = "\n".join(
            [f"# {group}\n", f"{how}settings are typed like `{example}`. The values here hold unless something else is "
             "typed.\n", *options])
    return pages


def page_of_settings(place: Path) -> str:
    """Returns where a folder or yaml file of conf/ is shown, e.g. loss/hinge.yaml."""
    is_file = place.suffix == ".yaml"
    group = (place.parent if is_file else place).as_posix()
    if group == ".":
        return "settings/commands.md" + f"#{place.stem}py" * is_file
    return f"settings/{group.replace('/', '_')}.md" + f"#{place.stem}" * is_file


def public_names(package: Path) -> dict[str, str]:
    """Returns the module of each public name, read from the package's own list without importing it."""
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    [call] = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy"]
    return {name: module for module, names in ast.literal_eval(call.args[1]).items() for name in names.split()}


def api_pages(source: Path) -> dict[str, str]:
    """Returns a page for each public package, which mkdocstrings fills with the docstrings of its public names."""
    pages = {}
    for package in PACKAGES:
        folder = source / package.replace(".", "/")
        docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        names = public_names(folder)
        pages[f"api/{package}.md"] = "\n".join([f"# {package}\n", docstring, *(
            f"\n::: {package}.{names[name]}.{name}" for name in sorted(names))]) + "\n"
    return pages
