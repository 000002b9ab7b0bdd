"""What `st.from_type(Layout)` draws: layouts of small scenes, many of them smaller than a tile or than the overlap."""

from hypothesis import strategies as st

from tiling import Layout

st.register_type_strategy(
    Layout,
    st.builds(
        Layout,
        shape=st.one_of(
            st.tuples(st.integers(1, 50), st.integers(1, 50)), st.sampled_from([(1, 1), (3, 500), (90, 2)])
        ),
        tile=st.integers(1, 40),
        overlap=st.integers(0, 60),
        origin=st.tuples(st.integers(-99, 99), st.integers(-99, 99)),
        multiple=st.sampled_from([1, 1, 2, 4, 8]),
    ),
)
