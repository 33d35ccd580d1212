"""The plots of the study page that move: Bokeh's, empty, for the page's own script to fill."""

from bokeh.embed import json_item
from bokeh.models import (
    BasicTicker,
    BoxSelectTool,
    ColorBar,
    ColumnDataSource,
    DataRange1d,
    FactorRange,
    HoverTool,
    LinearColorMapper,
    Span,
)
from bokeh.palettes import Cividis256
from bokeh.plotting import figure
from bokeh.resources import Resources

PICTURE = '<img src="@picture" alt="" width="72" height="72" style="image-rendering:pixelated;display:block">'
TEXT = '<div style="max-width:22em;overflow-wrap:anywhere">'


def of(data: dict, chance: float) -> dict:
    """The plots of what `alive.data` has, for `Bokeh.embed.embed_item`; None where there is nothing to draw.

    Parameters
    ----------
    chance : the probability with which guessing is right
    """
    return {
        "tsne": tsne() if data["maps"] else None,
        "path": path(chance) if data["paths"] else None,
        "heads": heads() if data["heads"] else None,
    }


def library() -> str:
    """Bokeh's own code for browsers, without its widgets: the page's controls are those of HTML."""
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def _plot(name: str, tools: str, **more):
    own = figure(
        name=name, tools=tools, toolbar_location="above" if tools else None, sizing_mode="stretch_width", **more
    )
    own.toolbar.logo = None
    own.background_fill_alpha = own.border_fill_alpha = 0
    own.outline_line_color = None  # Bokeh would trace the last marker again with it
    own.min_border = 8
    return own


def tsne() -> dict:
    """Points that are brushed by dragging, and tell their class, prediction and picture under the pointer."""
    source = ColumnDataSource(
        {key: [] for key in ("x", "y", "colour", "marker", "picture", "label", "said")}, name="points"
    )
    own = _plot("tsne", "lasso_select,tap", height=460, x_range=(0, 1), y_range=(0, 1))
    brush = BoxSelectTool(name="brush")
    own.add_tools(brush)
    own.toolbar.active_drag = brush
    own.scatter(
        "x", "y", marker="marker", size=10, fill_color="colour", line_color="colour", fill_alpha=0.7, source=source,
        selection_line_color="#888888", selection_line_width=2.5, nonselection_alpha=0.18, name="dots",
    )  # fmt: skip
    own.add_tools(HoverTool(tooltips=f"{PICTURE}{TEXT}<b>@label</b><br>@said</div>", show_arrow=False))
    own.axis.visible = own.grid.visible = False
    return json_item(own)


def heads() -> dict:
    """A cell per layer and head."""
    source = ColumnDataSource({key: [] for key in ("layer", "head", "value", "said")}, name="cells")
    mapper = LinearColorMapper(palette=Cividis256, low=0, high=1, nan_color="#999999", name="colours")
    cells = {"x_range": DataRange1d(range_padding=0), "y_range": DataRange1d(range_padding=0)}
    own = _plot("heads", "", height=420, x_axis_label="head", y_axis_label="layer", **cells)
    own.rect("head", "layer", 1, 1, fill_color={"field": "value", "transform": mapper}, line_color=None, source=source)
    own.axis.ticker = BasicTicker(min_interval=1)
    own.axis.minor_tick_line_color = None
    own.add_layout(ColorBar(color_mapper=mapper, background_fill_alpha=0, name="bar"), "right")
    own.add_tools(HoverTool(tooltips=f"{TEXT}@said</div>", show_arrow=False))
    own.grid.visible = False
    return json_item(own)


def path(chance: float) -> dict:
    """Cosine and probability of one image by level, the level that is looked at marked; dotted is guessing.

    Its legend is the template's, which can be read in light, in dark and on paper.
    """
    source = ColumnDataSource({key: [] for key in ("level", "cosine", "of_right", "said")}, name="steps")
    now = ColumnDataSource({"level": [], "low": [], "high": []}, name="now")
    own = _plot("path", "", height=260, x_range=FactorRange(name="levels"), x_axis_label="level", y_range=(-0.3, 1.05))
    own.vbar("level", 0.9, "high", "low", fill_alpha=0.15, fill_color="#888888", line_color=None, source=now)
    own.line("level", "cosine", color="#0072B2", line_width=2, source=source)
    dots = [own.scatter("level", "cosine", color="#0072B2", marker="circle", size=8, source=source)]
    own.line("level", "of_right", color="#D55E00", line_width=2, line_dash="dashed", source=source)
    dots += [own.scatter("level", "of_right", color="#D55E00", marker="square", size=8, source=source)]
    own.add_layout(Span(location=chance, dimension="width", line_dash="dotted", line_color="#888888", line_width=2))
    own.add_tools(HoverTool(tooltips=f"{TEXT}@said</div>", show_arrow=False, renderers=dots))
    own.yaxis.minor_tick_line_color = None
    return json_item(own)
