"""Options say again what the tasks accept, so as not to import them."""

import click
import pytest

from geo_io import write
from sardiff.cli import deblur as deblur_command
from sardiff.cli import fill as fill_command
from sardiff.cli import fuse as command
from sardiff.cli import options
from sardiff.tasks import deblur, despeckle, fill, fuse
from sardiff.tasks.gaps import WIDEST


def test_choices_are_those_of_the_tasks():
    assert options.METHODS == despeckle.METHODS
    assert options.QUALITIES == despeckle.QUALITIES
    assert options.COMPRESSIONS == write.COMPRESSIONS
    assert command.METHODS == fuse.METHODS
    assert fill_command.METHODS == fill.METHODS
    assert deblur_command.METHODS == deblur.METHODS
    assert next(o for o in fill_command.fill.params if o.name == "max_gap").default == WIDEST
    assert next(o for o in command.fuse.params if o.name == "weight").default == fuse.Fuse().weight


def read(callback, text):
    return callback(None, click.Option(["--option"]), text)


def test_looks_are_auto_or_a_positive_number():
    assert read(options.looks, "auto") == "auto"
    assert read(options.looks, "4.4") == 4.4
    for wrong in ("0", "-1", "nan", "inf", "four", ""):
        with pytest.raises(click.BadParameter, match="neither 'auto' nor a number > 0"):
            read(options.looks, wrong)


def test_noise_is_auto_or_a_positive_number():
    assert read(deblur_command.noise, "auto") == "auto"
    assert read(deblur_command.noise, "0.02") == 0.02
    for wrong in ("0", "-1", "nan", "inf", "some", ""):
        with pytest.raises(click.BadParameter, match="neither 'auto' nor a number > 0"):
            read(deblur_command.noise, wrong)


def test_correlation_is_a_word_or_at_least_one():
    assert [read(options.correlation, text) for text in ("auto", "none", "1", "6.5")] == ["auto", "none", 1.0, 6.5]
    for wrong in ("0.5", "-1", "101", "nan", "inf", "some", ""):
        with pytest.raises(click.BadParameter, match="a number from 1 to 100"):
            read(options.correlation, wrong)


def test_bands_are_counted_from_one():
    assert read(options.whole_numbers, None) is None
    assert read(options.whole_numbers, "2, 1") == (2, 1)
    for wrong in ("0", "1,,2", "-1", "a", "1.5", ""):
        with pytest.raises(click.BadParameter, match="whole numbers from 1"):
            read(options.whole_numbers, wrong)
