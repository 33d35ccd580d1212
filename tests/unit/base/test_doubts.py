"""Reasons not to believe an accuracy: answers whose fault is known, among them a head in the order of text."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from timm.utils.misc import natural_key

from maescope.base import doubts

TWELVE = [str(number) for number in range(12)]


def clean(target, prediction):
    target, prediction = np.asarray(target), np.asarray(prediction)
    frame = pd.DataFrame({"target": target, "prediction": prediction})
    return frame.assign(level="clean", correct=(target == prediction).astype(int))


def by_name(classes, order, images=50):
    """Answers of a head that knows every image and whose outputs are in another order than `classes`."""
    target = np.repeat(np.arange(len(classes)), images)
    return clean(target, [order.index(classes[number]) for number in target])


def test_a_head_in_the_order_of_text_is_told_with_both_accuracies():
    """Places365, thread 22: 12 classes of 50 images, 16.7 % instead of 100 %. 0 and 1 alone keep their places."""
    (doubt,) = doubts.doubts(by_name(TWELVE, sorted(TWELVE)), TWELVE, 12)
    assert doubt.of("vit") == (
        "CLASSES IN ANOTHER ORDER: vit, 16.7 % right as `classes` has them, 100.0 % if the head's outputs are in the "
        "order of text (0, 1, 10, ...). Give `classes` in that order; nothing means anything before."
    )


@pytest.mark.parametrize(
    ("classes", "order", "words"),
    [
        (sorted(TWELVE), TWELVE, "in the order of numbers"),
        (["b10", "b2", "a1"], ["a1", "b2", "b10"], "in the order of numbers"),
        (["Dog", "ant", "bee", "Cow"], ["Cow", "Dog", "ant", "bee"], "in the order of text"),
        (["Cow", "Dog", "ant", "bee"], ["ant", "bee", "Cow", "Dog"], "in the order of text, capitals like small"),
        (TWELVE, TWELVE[::-1], "from the last to the first"),
        (TWELVE, [*TWELVE[1:], "0"], "from the second on, the first at the end"),
        (TWELVE, ["11", *TWELVE[:-1]], "from the last on, the first behind it"),
    ],
)
def test_other_orders_that_people_meet_are_named(classes, order, words):
    *_, doubt = doubts.doubts(by_name(classes, order), classes, 99)  # behind that of guessing, where none is right
    assert f"if the head's outputs are {words}" in doubt.words


def test_the_order_of_timms_image_folders_is_among_them():
    """timm sorts class folders by numbers and without regard to capitals, torchvision as text."""
    classes = ["Item 10", "Item 2", "item 1", "Box", "apple 3", "apple 21"]
    order = sorted(classes, key=natural_key)
    others = doubts.orders(classes)
    assert others.pop("in the order of numbers, capitals like small letters") == order
    assert order not in others.values()
    *_, doubt = doubts.doubts(by_name(classes, order), classes, 99)
    assert "if the head's outputs are in the order of numbers, capitals like small letters" in doubt.words


def test_the_twenty_images_of_the_check_before_extraction_are_enough_for_an_order():
    twenty = by_name(TWELVE, sorted(TWELVE)).iloc[np.linspace(0, 599, 20).round().astype(int)]
    assert "CLASSES IN ANOTHER ORDER" in [doubt.title for doubt in doubts.doubts(twenty, TWELVE, 12)]


def exchanged(images=50, wrong=0):
    """Ten classes of which 3 and 4 are exchanged, but for some images of 3."""
    target = np.repeat(np.arange(10), images)
    prediction = np.where(target == 3, 4, np.where(target == 4, 3, target))
    prediction[3 * images : 3 * images + wrong] = 3
    return clean(target, prediction)


def test_two_exchanged_classes_are_told_by_class():
    (doubt,) = doubts.doubts(exchanged(wrong=2), TWELVE[:10], 10)
    assert doubt.of("vit") == (
        "CLASSES EXCHANGED: vit, 48 of 50 images of 3 are called 4, 50 of 50 images of 4 are called 3. Are they "
        "exchanged in `classes`, or are their folders? 80.4 % are right as it is, 99.6 % otherwise."
    )


def test_three_in_a_ring_are_told_and_several_groups_are_counted():
    target = np.repeat(np.arange(12), 20)
    ring = {0: 1, 1: 2, 2: 0}
    (doubt,) = doubts.doubts(clean(target, [ring.get(one, one) for one in target]), TWELVE, 12)
    assert (
        "images of 0 are called 1, 20 of 20 images of 1 are called 2, 20 of 20 images of 2 are called 0." in doubt.words
    )
    pairs = clean(target, target ^ 1)  # six pairs
    assert "and 3 more such groups" in doubts.doubts(pairs, [*"lkjihgfedcba"], 99)[-1].words


def test_one_class_that_is_called_another_is_no_exchange():
    target = np.repeat(np.arange(10), 50)
    assert doubts.doubts(clean(target, np.where(target == 3, 4, target)), TWELVE[:10], 10) == []


def test_an_exchange_is_told_where_it_would_be_rare_by_accident():
    """Of 5 images per class all ten are the other way round: binomial, 2 ** -10 < 0.001; of 4 images 2 ** -8 is not."""
    assert binomtest(10, 10, alternative="greater").pvalue < 0.001 < binomtest(8, 8, alternative="greater").pvalue
    assert [len(doubts.doubts(exchanged(images), TWELVE[:10], 10)) for images in (5, 4)] == [1, 0]


def test_guessing_gives_no_order():
    """A thousand models that guess among ten classes: a doubt beside `near chance` would be an accident."""
    rng, target = np.random.default_rng(0), np.repeat(np.arange(10), 10)
    found = [doubts.doubts(clean(target, rng.integers(0, 10, 100)), TWELVE[:10], 10) for _ in range(200)]
    assert sum(len(own) > 1 for own in found) <= 2


def test_a_good_model_in_any_order_of_classes_is_not_doubted():
    rng, target = np.random.default_rng(0), np.repeat(np.arange(12), 50)
    prediction = np.where(rng.random(600) < 0.7, target, rng.integers(0, 12, 600))
    for classes in (TWELVE, sorted(TWELVE), TWELVE[::-1]):
        assert doubts.doubts(clean(target, prediction), classes, 12) == []


def test_images_of_some_labels_alone_are_judged_by_all_outputs():
    """The last five of twelve classes, under a head in the order of text: its outputs are of other classes, too."""
    some = by_name(TWELVE, sorted(TWELVE)).query("target >= 7")
    assert "CLASSES IN ANOTHER ORDER" in [doubt.title for doubt in doubts.doubts(some, TWELVE, 12)]


def test_no_images_give_no_doubt():
    assert doubts.doubts(clean([], []), TWELVE, 12) == []


@pytest.mark.parametrize(("targets", "said"), [([0], 1), ([0, 1], 2)])
def test_a_model_that_says_one_class_of_all_images_tells_of_no_order(targets, said):
    clean = pd.DataFrame({"target": np.repeat(targets, 20), "prediction": said, "correct": 0})
    assert [doubt.title for doubt in doubts.doubts(clean, list("abcd"), 4)] == ["CLEAN ACCURACY NEAR CHANCE"]
