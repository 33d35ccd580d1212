"""The paper's numbers beside ours."""

import numpy as np
import pandas as pd


def beside_paper(table: pd.DataFrame, paper: pd.DataFrame, keys: list[str], values: list[str]) -> pd.DataFrame:
    """Set the paper's values and the differences from them behind those of the first model, the paper's."""
    published = paper[[*keys, *values]].rename(columns={value: f"{value}_paper" for value in values})
    table = table.merge(published, how="left", on=keys)
    table.loc[table["model"] != table["model"].iloc[0], [f"{value}_paper" for value in values]] = np.nan
    for value in values:
        table[f"{value}_difference"] = table[value] - table[f"{value}_paper"]
    return table
