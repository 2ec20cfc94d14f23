# BUILD macros: the architecture as rules, written once. Pants reads this file before every BUILD file.


def component(uses=(), stacks=(), application=False):
    """Say what a component may depend on: itself, other components, and requirements of its stacks.

    Args:
        uses: first-party packages that it may import: below src/python, or by their path.
        stacks: the resolves whose requirements it may take.
        application: nothing but itself, tests and benchmarks may depend on it.
    """
    paths = [package if "/" in package else f"src/python/{package}" for package in uses]
    first_party = [f"//{path}/**" for path in paths]
    third_party = [f"//3rdparty/python/{stack}#*" for stack in stacks]
    __dependencies_rules__(("*", "/**", *first_party, *third_party, "!*"))
    if application:
        __dependents_rules__(("*", "/**", "//tests/**", "//benchmarks/**", "!*"))


def library(stacks, heavy=(), heavy_only=(), needs=(), data=()):
    """Declare the sources of a package for each stack that may hold it.

    Heavy stacks take the same sources unchecked: a type check there would install the engine only to
    repeat what the light stack has shown.

    Args:
        stacks: light resolves.
        heavy: resolves of several gigabytes.
        heavy_only: files that import an engine, and so exist in heavy stacks alone.
        needs: requirements of the only stack that nothing imports: plug-ins, models, what is found by
            its metadata. No import tells Pants of them.
        data: files of the package that it reads while it runs.
    """
    if data:
        resources(name="data", sources=data)
    python_sources(
        name="lib",
        sources=["**/*.py", *(f"!{file}" for file in heavy_only)],
        dependencies=[
            *([":data"] if data else []),
            *(f"//3rdparty/python:{stacks[0]}#{requirement}" for requirement in needs),
        ],
        resolve=parametrize(*stacks) if len(stacks) > 1 else stacks[0],
    )
    if heavy_only:
        # For light tests that run such a file where its engine is missing.
        resources(name="heavy_only", sources=heavy_only)
    for stack in heavy:
        python_sources(
            name=stack,
            sources=["**/*.py"],
            resolve=stack,
            skip_mypy=True,
            tags=["heavy"],
        )


def compiled_modules(name, packages, sources):
    """Compile modules to C for the program that depends on `:compiled`.

    Which ones, they say themselves, by a line `# compiled: REASON`. Their types must be true: what
    is annotated is assumed. They lie in it beside their sources, which an interpreter of another
    kind takes instead; so does every one where this was built without a C compiler. In a test's
    sandbox, where sources are not at the root, `:compiled_for_tests` puts them beside theirs.

    Args:
        name: of the library that the modules share.
        packages: folders below src/python where such modules are.
        sources: targets with these packages and all that they import.
    """
    # Pants does not strip source roots from what it generates, so both places are spelled out. What
    # runs is the same, and runs once.
    for target, root in (
        ("compiled", "./compiled/src/python"),
        ("compiled_for_tests", "./compiled"),
    ):
        adhoc_tool(
            name=f"{target}_files",
            runnable="//build-support/native_modules/__main__.py:lib",
            args=["--name", name, "--into", "compiled/src/python", *packages],
            execution_dependencies=sources,
            workdir="/src/python",
            output_directories=["compiled"],
            root_output_directory=root,
            extra_env_vars=["QUERYLAKE_CC"],
            log_output=True,
        )
        experimental_wrap_as_resources(name=target, inputs=[f":{target}_files"])


def program(package, stack, output=None, heavy=False, needs=(), unmet=False, compiled=False):
    """Declare the PEX that `./pants package` writes to dist/ for a package with a `__main__.py`.

    A heavy PEX is a folder (`layout="packed"`): a single zip file over 2 GB does not start.

    Args:
        package: the package.
        stack: the resolve.
        output: the file's name without `.pex`, if it is not the package's.
        heavy: whether it holds an engine of several gigabytes.
        needs: requirements of the stack that only the program needs, such as models.
        compiled: whether some of its modules are (see `compiled_modules`).
        unmet: whether its lock leaves out dependencies on purpose (see locks.toml). Without this,
            the PEX would refuse to start. Tests and checks cannot leave them out, so such
            requirements are needs of the program and not of the library.
    """
    pex_binary(
        name=f"{output}_pex" if output else "pex",
        entry_point=f"{package}.__main__",
        dependencies=[
            f":{stack}" if heavy else ":lib",
            *([":compiled"] if compiled else []),
            *(f"//3rdparty/python:{stack}#{requirement}" for requirement in needs),
        ],
        resolve=stack,
        output_path=f"{output or package}.pex",
        layout="packed" if heavy else "zipapp",
        execution_mode="venv",
        ignore_errors=unmet,
        tags=["heavy"] if heavy else [],
    )


def tests_of(stack, fixtures=(), dependencies=(), engine=False, host=False, compiled=None):
    """Declare the tests and fixtures of one tests/<package> folder, which run in one stack.

    Args:
        stack: the resolve.
        fixtures: the files that are no tests, such as conftest.py.
        dependencies: what the tests need and do not import, e.g. files.
        engine: whether they need a heavy engine, and so run only by `./pants test-engine`.
        host: whether they need apt and dpkg of this machine, and so run only by `./pants test-host`.
        compiled: modules with which `./pants test-compiled` runs them once more; see `compiled_modules`.
    """
    tag = f"{stack}-engine" if engine else f"{stack}-host" if host else stack
    python_tests(
        name="tests",
        resolve=stack,
        dependencies=[*([":fixtures"] if fixtures else []), *dependencies],
        batch_compatibility_tag=tag,
        tags=["engine"] if engine else ["host"] if host else [],
        timeout=1800 if engine else 900 if host else None,
    )
    if compiled:
        python_tests(
            name="compiled",
            resolve=stack,
            dependencies=[*([":fixtures"] if fixtures else []), *dependencies, compiled],
            batch_compatibility_tag=f"{tag}-compiled",
            tags=["compiled"],
        )
    if fixtures:
        # Tests of the folders below find the conftest.py by inference, and with it what it needs.
        python_test_utils(
            name="fixtures", sources=fixtures, resolve=stack, dependencies=list(dependencies)
        )


def tests_of_programs(
    stack,
    programs,
    name="tests",
    files=(),
    fixtures=(),
    dependencies=(),
    environment=(),
    engine=False,
    batch=None,
    timeout=600,
):
    """Declare tests that run built programs, which lie beside them as a user finds them in dist/.

    Args:
        stack: the resolve of the tests; each program has its own inside.
        programs: packages below src/python whose PEX is built first.
        name: of the target.
        files: which files are meant; all tests of the folder if none is named.
        fixtures: the files that are no tests, such as conftest.py.
        dependencies: what the tests need and do not import, e.g. files.
        environment: variables that they get besides, as `NAME` or `NAME=value`.
        engine: whether they run only by `./pants test-engine`.
        batch: tests with the same word here may share a process.
        timeout: seconds for one file; the first one to run unpacks the programs.
    """
    python_tests(
        name=name,
        resolve=stack,
        dependencies=[*([":fixtures"] if fixtures else []), *dependencies],
        runtime_package_dependencies=[f"//src/python/{package}:pex" for package in programs],
        # A PEX unpacks itself once; without this it would do so for every run.
        extra_env_vars=["PEX_ROOT", *environment],
        tags=["engine"] if engine else [],
        timeout=timeout,
        **({"sources": files} if files else {}),
        **({"batch_compatibility_tag": batch} if batch else {}),
    )
    if fixtures:
        python_test_utils(name="fixtures", sources=fixtures, resolve=stack)


def testing_library(stacks):
    """Declare a package of test doubles that the tests of several folders import."""
    python_test_utils(
        name="lib",
        sources=["**/*.py"],
        resolve=parametrize(*stacks) if len(stacks) > 1 else stacks[0],
    )
