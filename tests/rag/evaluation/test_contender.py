from lateral.rag.evaluation.contender import contenders


def test_each_retriever_runs_alone_and_every_group_under_each_fusion():
    assert [one.name for one in contenders(["bm25"])] == ["bm25"]
    assert [one.name for one in contenders(["a", "b", "c"])] == [
        *("a", "b", "c"),
        *("a+b, convex", "a+b, rrf", "a+c, convex", "a+c, rrf", "b+c, convex", "b+c, rrf"),
        *("a+b+c, convex", "a+b+c, rrf"),
    ]


def test_a_reranker_doubles_them():
    names = [one.name for one in contenders(["a", "b"], reranker="judge@50")]
    assert names == [
        *("a", "b", "a+b, convex", "a+b, rrf"),
        *("a, judge@50", "b, judge@50", "a+b, convex, judge@50", "a+b, rrf, judge@50"),
    ]
