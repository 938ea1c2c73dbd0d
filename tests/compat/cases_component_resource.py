"""`component.ResourceType`, `ResourceAny`, `ResourceHost`: resources of guests and of the host."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .component_programs import GUEST_RESOURCE, HOST_RESOURCE, component_engine, link, start
from .harness import Package, attempt, case
from .programs import raised_by

#: The number that the cases give the type of their host resource.
FILE = 7


def _guest(w: Package) -> tuple[Any, Callable[..., Any]]:
    """A store, and how the functions of a guest's resource are called in it."""
    store, instance = start(w, GUEST_RESOURCE)
    return store, lambda name, *arguments: instance.get_func(store, name)(store, *arguments)


def _host(
    w: Package, size: Callable[..., int] | None = None, destroy: Callable[..., object] | None = None
) -> tuple[Any, Callable[..., Any], list[int]]:
    """A store, how the functions that use a resource of the host are called in it, and the resources dropped so far."""
    dropped: list[int] = []
    linker = w.component.Linker(component_engine(w))
    with linker.root() as root:
        drop = destroy or (lambda _context, rep: dropped.append(rep))
        root.add_resource("file", w.component.ResourceType.host(FILE), drop)
        root.add_func("open", lambda _context, x: w.component.ResourceHost.own(x, FILE))
        root.add_func("size", size or (lambda context, file: file.to_host(context).rep))
    store, instance = link(w, linker, HOST_RESOURCE)
    return store, lambda name, *arguments: instance.get_func(store, name)(store, *arguments), dropped


@case
def a_guest_resource_is_an_owned_any(w: Package) -> object:
    _, call = _guest(w)
    thing = call("make", 5)
    return [thing, thing.owned, thing.type]


@case
def a_guest_resource_is_lent(w: Package) -> object:
    _, call = _guest(w)
    thing = call("make", 5)
    return [call("rep", thing), call("rep", thing)]


@case
def a_guest_resource_is_given_away(w: Package) -> object:
    _, call = _guest(w)
    return [call("consume", call("make", 5)), call("drops")]


@case
def a_guest_resource_comes_back(w: Package) -> object:
    _, call = _guest(w)
    thing = call("pass", call("make", 9))
    return [call("rep", thing), call("drops")]


@case
def a_guest_resource_is_dropped(w: Package) -> object:
    store, call = _guest(w)
    return [call("make", 5).drop(store=store), call("drops")]


@case
def a_guest_resource_is_used_after_it_was_given_away(w: Package) -> object:
    """`f(store, resource)` after the resource was passed to the guest as owned"""
    _, call = _guest(w)
    thing = call("make", 5)
    call("consume", thing)
    return call("rep", thing)


@case
def a_guest_resource_is_given_away_twice(w: Package) -> object:
    """`f(store, resource)` as owned a second time"""
    _, call = _guest(w)
    thing = call("make", 5)
    call("consume", thing)
    return call("consume", thing)


@case
def a_guest_resource_is_used_after_drop(w: Package) -> object:
    store, call = _guest(w)
    thing = call("make", 5)
    thing.drop(store)
    return call("rep", thing)


@case
def a_guest_resource_is_dropped_twice(w: Package) -> object:
    store, call = _guest(w)
    thing = call("make", 5)
    thing.drop(store)
    return thing.drop(store)


@case
def a_guest_resource_is_dropped_with_another_store(w: Package) -> object:
    """`resource.drop(other_store)`"""
    _, call = _guest(w)
    return call("make", 5).drop(w.Store())


@case
def a_guest_resource_is_used_in_another_store(w: Package) -> object:
    """`f(store, resource)` with the resource of another store"""
    _, call = _guest(w)
    _, other = _guest(w)
    return other("rep", call("make", 5))


@case
def a_guest_resource_is_no_host_resource(w: Package) -> object:
    store, call = _guest(w)
    return call("make", 5).to_host(store)


@case
def a_closed_guest_resource_is_refused(w: Package) -> object:
    """`f(store, resource)` after `resource.close()`"""
    _, call = _guest(w)
    thing = call("make", 5)
    thing.close()
    return call("rep", thing)


@case
def something_else_is_no_resource(w: Package) -> object:
    _, call = _guest(w)
    return [attempt(partial(call, "rep", value)) for value in (5, None, "thing")]


@case
def a_guest_resource_is_no_resource_of_another_type(w: Package) -> object:
    """`f(store, ResourceHost.own(1, 7))` for a resource of the guest"""
    store, call = _guest(w)
    return call("rep", w.component.ResourceHost.own(1, FILE))


@case
def resources_cannot_be_constructed(w: Package) -> object:
    """`ResourceAny()`, `ResourceHost()` and `ResourceType()`"""
    kinds = (w.component.ResourceAny, w.component.ResourceHost, w.component.ResourceType)
    return [attempt(kind) for kind in kinds]


@case
def host_types_are_compared_by_number(w: Package) -> object:
    host = w.component.ResourceType.host
    return [host(val=1) == host(1), host(1) == host(2), host(1) != host(2), host(1) == 1]


@case
def types_of_guest_resources_are_compared(w: Package) -> object:
    """The types of two resources of one instance, and of two instances of one component"""
    engine = component_engine(w)
    component = w.component.Component(engine, GUEST_RESOURCE)
    store = w.Store(engine)
    linker = w.component.Linker(engine)
    first, second = (
        linker.instantiate(store, component).get_func(store, "make") for _ in range(2)
    )
    return [first(store, 1).type == first(store, 2).type, first(store, 1).type == second(store, 1).type]


@case
def a_host_type_out_of_range_is_refused(w: Package) -> object:
    """`ResourceType.host(2**32 + 1) == ResourceType.host(1)`"""
    return w.component.ResourceType.host(2**32 + 1) == w.component.ResourceType.host(1)


@case
def a_host_type_of_a_str_is_refused(w: Package) -> object:
    """`ResourceType.host("file")`"""
    return w.component.ResourceType.host("file")


@case
def a_host_resource_has_its_numbers(w: Package) -> object:
    own = w.component.ResourceHost.own(rep=5, ty=FILE)
    borrow = w.component.ResourceHost.borrow(rep=6, ty=FILE)
    return [(handle.rep, handle.type, handle.owned) for handle in (own, borrow)]


@case
def a_host_resource_out_of_range_is_refused(w: Package) -> object:
    """`ResourceHost.own(2**32 + 5, 1).rep`"""
    return w.component.ResourceHost.own(2**32 + 5, FILE).rep


@case
def a_negative_host_resource_is_refused(w: Package) -> object:
    """`ResourceHost.own(-1, 1).rep`"""
    return w.component.ResourceHost.own(-1, FILE).rep


@case
def a_host_resource_becomes_an_any_and_back(w: Package) -> object:
    store = w.Store()
    resource = w.component.ResourceHost.own(5, FILE).to_any(store=store)
    back = resource.to_host(store=store)
    return [resource.owned, resource.type == w.component.ResourceType.host(FILE), back.rep, back.owned]


@case
def a_borrowed_host_resource_becomes_an_any(w: Package) -> object:
    """`ResourceHost.borrow(5, 1).to_any(store)`"""
    resource = w.component.ResourceHost.borrow(5, FILE).to_any(w.Store())
    return [resource, resource.owned]


@case
def an_owned_host_resource_becomes_an_any_twice(w: Package) -> object:
    """`own.to_any(store)` a second time"""
    store = w.Store()
    own = w.component.ResourceHost.own(5, FILE)
    return [own.to_any(store), own.to_any(store)]


@case
def a_dropped_any_is_no_host_resource(w: Package) -> object:
    store = w.Store()
    resource = w.component.ResourceHost.own(5, FILE).to_any(store)
    resource.drop(store)
    return resource.to_host(store)


@case
def an_any_is_turned_into_a_host_resource_in_another_store(w: Package) -> object:
    """`resource.to_host(other_store)`"""
    return w.component.ResourceHost.own(5, FILE).to_any(w.Store()).to_host(w.Store()).rep


@case
def a_host_resource_is_destroyed_by_the_guest(w: Package) -> object:
    _, call, dropped = _host(w)
    return [call("measure", 3), dropped]


@case
def a_host_resource_is_given_to_the_guest(w: Package) -> object:
    _, call, dropped = _host(w)
    return [call("take", w.component.ResourceHost.own(4, FILE)), dropped]


@case
def a_host_resource_is_lent_to_the_guest(w: Package) -> object:
    """`f(store, ResourceHost.borrow(4, 7))`: the number that the host sees, and what was dropped"""
    _, call, dropped = _host(w)
    return [call("measure-lent", w.component.ResourceHost.borrow(4, FILE)), dropped]


@case
def an_owned_host_resource_is_lent_to_the_guest(w: Package) -> object:
    """`f(store, ResourceHost.own(4, 1))` for a borrow"""
    _, call, dropped = _host(w)
    return [call("measure-lent", w.component.ResourceHost.own(4, FILE)), dropped]


@case
def a_borrowed_host_resource_is_given_to_the_guest(w: Package) -> object:
    """`f(store, ResourceHost.borrow(4, 1))` for an own"""
    _, call, dropped = _host(w)
    return [call("take", w.component.ResourceHost.borrow(4, FILE)), dropped]


@case
def a_host_resource_is_given_away_twice(w: Package) -> object:
    """`f(store, own)` a second time with the same `ResourceHost`"""
    _, call, dropped = _host(w)
    own = w.component.ResourceHost.own(4, FILE)
    call("take", own)
    call("take", own)
    return dropped


@case
def a_host_resource_of_another_type_is_refused(w: Package) -> object:
    """`f(store, ResourceHost.own(4, 8))` for a resource with the type 7"""
    _, call, _ = _host(w)
    return call("take", w.component.ResourceHost.own(4, FILE + 1))


@case
def a_host_resource_comes_from_the_guest(w: Package) -> object:
    store, call, dropped = _host(w)
    resource = call("make", 8)
    host = resource.to_host(store)
    return [resource.owned, host.rep, host.type, host.owned, dropped]


@case
def a_host_resource_from_the_guest_is_dropped(w: Package) -> object:
    store, call, dropped = _host(w)
    call("make", 8).drop(store)
    return dropped


@case
def a_guest_must_give_back_what_was_lent(w: Package) -> object:
    _, call, _ = _host(w)
    return call("keep-lent", w.component.ResourceHost.borrow(4, FILE))


@case
def a_guest_that_drops_twice_is_stopped(w: Package) -> object:
    _, call, _ = _host(w)
    return call("drop-twice", w.component.ResourceHost.own(4, FILE))


@case
def a_callback_sees_a_borrow(w: Package) -> object:
    """A guest lends a resource to a host function: the result, and the borrow with its `owned`"""
    seen: list[object] = []

    def size(_context: object, file: Any) -> int:
        seen.extend([file, file.owned])
        return 1

    _, call, _ = _host(w, size)
    return [call("measure", 3), seen]


@case
def a_borrow_is_used_after_its_callback(w: Package) -> object:
    """`borrow.to_host(store)` after the callback that it was lent to"""
    lent: list[Any] = []

    def size(_context: object, file: Any) -> int:
        lent.append(file)
        return 1

    store, call, _ = _host(w, size)
    call("measure", 3)
    return lent[0].to_host(store).rep


@case
def what_a_destructor_raises_comes_out(w: Package) -> object:
    def destroy(*_: object) -> None:
        raise LookupError("from the destructor")

    _, call, _ = _host(w, destroy=destroy)
    return str(raised_by(lambda: call("measure", 3)))


@case
def what_a_destructor_returns_is_ignored(w: Package) -> object:
    _, call, _ = _host(w, destroy=lambda *_: 5)
    return call("measure", 3)


@case
def they_are_context_managers(w: Package) -> object:
    store = w.Store()
    with w.component.ResourceHost.own(5, FILE) as host:
        with host.to_any(store) as resource:
            with resource.type as kind:
                kinds = [kind == w.component.ResourceType.host(FILE)]
        used = resource
    return [kinds, used.close(), host.close()]


@case
def a_closed_host_resource_keeps_its_number(w: Package) -> object:
    """`ResourceHost.rep` after `close()`"""
    own = w.component.ResourceHost.own(5, FILE)
    own.close()
    return own.rep


@case
def a_closed_resource_still_knows_whether_it_was_owned(w: Package) -> object:
    """`ResourceAny.owned` after `close()`"""
    resource = w.component.ResourceHost.own(6, FILE).to_any(w.Store())
    resource.close()
    return resource.owned


@case
def a_closed_resource_cannot_be_dropped(w: Package) -> object:
    """`ResourceAny.drop(store)` after `close()`"""
    store = w.Store()
    resource = w.component.ResourceHost.own(6, FILE).to_any(store)
    resource.close()
    return resource.drop(store)
