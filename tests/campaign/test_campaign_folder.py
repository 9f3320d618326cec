from __future__ import annotations

from rushes.campaign.folder import CampaignFolder
from rushes.stages import write_atomic


def test_a_sweep_takes_what_a_killed_campaign_left_half_written_and_nothing_else(tmp_path):
    folder = CampaignFolder(tmp_path)
    whole = [tmp_path / "leaderboard.csv", tmp_path / "results" / "far-s0.json"]
    for path in whole:
        write_atomic(path, "{}\n")
        path.with_name(f".{path.name}.0123456789ab.tmp").write_text("{")
    folder.sweep()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(whole)
