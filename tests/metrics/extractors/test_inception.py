import hashlib
import io
import pickle
import socket
import sys
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import pytorch_fid.inception
import torch
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from saddlepoint import downloads
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors import inception, weight_files
from saddlepoint.metrics.extractors.inception import FILE, Inception, network
from saddlepoint.metrics.extractors.weight_files import WeightFile
from tests.data.formats import served
from tests.metrics.extractors.examples import noise

CONTENT = b"stands for 96 MB of weights"


def served_from(monkeypatch, address: str) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(inception, "FILE", replace(FILE, address=address, sha256=digest))


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """torch hub's folder for files, with nothing in it; what is wanted there is CONTENT"""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv(FILE.variable, raising=False)
    served_from(monkeypatch, "http://127.0.0.1:9/")  # nobody listens at the discard port
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def server(hub, tmp_path, monkeypatch) -> Path:
    """the file that a local server has at ADDRESS"""
    (tmp_path / "server").mkdir()
    with served(tmp_path / "server") as address:
        served_from(monkeypatch, address + FILE.name)
        yield tmp_path / "server" / FILE.name


# What it computes.


@pytest.mark.parametrize(("channels", "size"), [(3, 320), (1, 28)])
def test_features_and_logits_are_torch_fidelitys_to_the_bit(extractor, torch_fidelitys, channels, size):
    images = noise(2, channels, size)
    features, logits = torch_fidelitys[1](images.repeat(1, 3 // channels, 1, 1))
    ours = extractor(images)
    assert torch.equal(ours.features, features) and torch.equal(ours.logits, logits)
    assert features.shape == (2, extractor.num_features) and logits.shape == (2, extractor.num_classes)
    assert features.std(0).mean() > 1e-3  # the two images differ: nothing above holds for want of a signal


def test_spatial_features_are_the_first_seven_maps_of_the_first_branch_of_mixed_6d_channels_running_fastest(
        extractor, torch_fidelitys):
    seen, images = [], noise(2, 3, 299)  # of that size, so that nothing is resized
    branch = torch_fidelitys[1].Mixed_6d.branch1x1
    with branch.register_forward_hook(lambda module, inputs, maps: seen.append(maps.clone())):
        torch_fidelitys[1](images)
    ours = extractor(images).spatial.view(2, 17, 17, 7)
    assert torch.equal(ours.permute(0, 3, 1, 2), seen[0][:, :7]) and ours.std() > 1e-3


def test_with_its_resize_and_scale_features_are_pytorch_fids(extractor, monkeypatch):
    weights = extractor.network.state_dict()
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: weights)
    theirs = pytorch_fid.inception.InceptionV3().eval()
    images = noise(2, 3, 40)
    features, = theirs(images / 255)
    monkeypatch.setattr(inception, "network", lambda content: extractor.network)
    monkeypatch.setattr(WeightFile, "read_verified", lambda *_: b"")
    ours = Inception("file", "bilinear", 127.5)
    assert ours.resize == "bilinear, not antialiased, to 299 x 299, x / 127.5 - 1"
    ours = ours(images).features
    largest = features.abs().max()
    torch.testing.assert_close(ours, features.flatten(1), rtol=0, atol=1e-4 * largest)
    assert (ours - extractor(images).features).abs().max() > 0.01 * largest  # its own way is another


def test_an_impossible_scale_is_named():
    with pytest.raises(ValueError, match="extractor.scale=127 must be 128 or 127.5"):
        Inception(None, scale=127)


def test_fid_and_is_get_what_torch_fidelity_gives_them(extractor):
    layers = [FeatureExtractorInceptionV3.get_default_feature_layer_for_metric(metric) for metric in ("fid", "isc")]
    assert extractor.network.features_list == layers


def test_logits_have_no_bias(extractor):
    seen = extractor(noise(1, 3))
    assert extractor.network.fc.bias.abs().max() > 0
    torch.testing.assert_close(seen.logits, seen.features @ extractor.network.fc.weight.T)


def test_it_stays_in_evaluation_mode(extractor):
    assert not any(module.training for module in extractor.train().modules())


def test_its_file_is_torch_fidelitys():
    assert inception.FILE.address == URL_INCEPTION_V3
    assert FILE.name.endswith(f"-{inception.FILE.sha256[:8]}.pth") and len(inception.FILE.sha256) == 64


def test_it_is_named_and_not_loaded_until_it_is_needed(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("torch_fidelity") or name == inception.__name__]:
        monkeypatch.delitem(sys.modules, name)
    assert import_module(inception.__name__).Inception.name == "inception"
    assert not [name for name in sys.modules if name.startswith("torch_fidelity")]


@pytest.mark.parametrize("channels", [2, 4])
def test_other_than_grey_or_colour_is_refused(extractor, channels):
    with pytest.raises(RequestError, match=f"extractor=inception looks at grey or RGB .*{channels} channels"):
        extractor.check(channels, 32)
    extractor.check(1, 28)
    extractor.check(3, 1024)


# Which file.


def test_a_typed_file_comes_before_the_environment_and_that_before_torch_hub(hub, monkeypatch):
    monkeypatch.setattr(weight_files, "download", None)
    hub.mkdir(parents=True)
    (hub / FILE.name).touch()
    assert inception.FILE.locate(None)[0] == hub / FILE.name
    monkeypatch.setenv(FILE.variable, "~/from environment.pth")
    assert inception.FILE.locate(None)[0] == Path("~/from environment.pth").expanduser()
    assert inception.FILE.locate("~/typed.pth")[0] == Path("~/typed.pth").expanduser()


def test_an_absent_file_is_downloaded_once(hub, server, capsys):
    server.write_bytes(CONTENT)
    path, _ = inception.FILE.locate(None)
    assert path == hub / FILE.name and path.read_bytes() == CONTENT
    assert list(hub.iterdir()) == [path]
    assert f"Downloading {FILE.name} (96 MB) into {hub}" in capsys.readouterr().err
    server.unlink()
    assert inception.FILE.locate(None)[0] == path


def refusal_of_download(hub: Path) -> str:
    with pytest.raises(RequestError) as refusal:
        inception.FILE.locate(None)
    assert not hub.exists() or list(hub.iterdir()) == []
    return str(refusal.value)


def test_offline_one_sentence_says_what_to_put_where_and_what_to_type(hub):
    said = refusal_of_download(hub)
    assert "Connection refused" in said and len(said.splitlines()) == 1
    for what in (FILE.name, inception.FILE.sha256, f"put it into {hub}", "extractor.weights=FILE", "extractor=random"):
        assert what in said


@pytest.mark.parametrize(("content", "why"), [
    (CONTENT[:-1], "another file, or it did not arrive whole"), (None, "HTTP Error 404")])
def test_a_download_of_something_else_leaves_nothing(hub, server, content, why):
    if content:
        server.write_bytes(content)
    assert why in refusal_of_download(hub)


def test_a_connection_that_ends_early_leaves_nothing_even_of_a_file_without_a_digest(hub, monkeypatch):
    def cut_short(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\n" + 100 * b"a")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        served_from(monkeypatch, f"http://127.0.0.1:{listening.getsockname()[1]}/")
        monkeypatch.setattr(inception, "FILE", replace(inception.FILE, sha256=""))
        thread = threading.Thread(target=cut_short, args=(listening,))
        thread.start()
        assert "sent 100 of 1,000 bytes" in refusal_of_download(hub)
        thread.join()


def test_a_server_that_never_answers_is_given_up(hub, monkeypatch):
    monkeypatch.setattr(downloads, "SILENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served_from(monkeypatch, f"http://127.0.0.1:{listening.getsockname()[1]}/")
        assert "timed out" in refusal_of_download(hub)


def test_a_folder_that_cannot_be_made_is_part_of_the_sentence(hub, tmp_path):
    (tmp_path / "torch").write_text("in the way")
    assert "Not a directory" in refusal_of_download(tmp_path / "nothing")


# What is in it.


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_bytes(CONTENT[:-1]), lambda path: path.write_bytes(b""),
    lambda path: torch.save({"weight": torch.zeros(1)}, path)], ids=["truncated", "empty", "another"])
def test_nothing_is_loaded_of_a_file_with_another_digest(hub, tmp_path, monkeypatch, spoil):
    monkeypatch.setattr(inception, "network", None)
    spoil(tmp_path / "file.pth")
    with pytest.raises(RequestError, match=f"^extractor.weights={tmp_path}/file.pth is damaged or not {FILE.name}, "
                                           f"since its SHA-256 is [0-9a-f]{{64}} instead of {inception.FILE.sha256}: "):
        Inception(str(tmp_path / "file.pth"))


def test_a_file_that_cannot_be_read_is_named_as_the_user_named_it(hub, tmp_path, monkeypatch):
    with pytest.raises(RequestError, match=f"^extractor.weights={tmp_path} cannot be read .Is a directory"):
        Inception(str(tmp_path))
    monkeypatch.setenv(FILE.variable, "nowhere.pth")
    with pytest.raises(RequestError, match=f"^{FILE.variable}=nowhere.pth .an environment variable. cannot be read"):
        Inception(None)


class Intruder:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def test_even_a_file_of_the_right_digest_is_not_executed():
    hostile = io.BytesIO()
    torch.save({"fc.weight": Intruder()}, hostile)
    with pytest.raises(pickle.UnpicklingError, match="weights_only|Weights only"):
        network(hostile.getvalue())
    assert not Path("executed").exists()
