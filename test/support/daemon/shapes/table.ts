/** Repositories of every shape that people have, each made by a shell script in an empty folder. */

export interface Shape {
  name: string
  /** Run in an empty folder; makes the repository `r` with the files `a` and `gone` in its first commit. */
  make: string
  /** The folder to submit, from that one; `r` without it. */
  folder?: string
  /** The repository that holds all of it, if the one to submit does not. */
  whole?: string
  /** What is checked out there for comparison; HEAD without it. */
  commit?: string
  options?: string[]
  /** Of the user's environment, beside the usual; `$DIR` is the folder. */
  env?: Record<string, string>
  /** Done in what git itself makes of it, after the checkout. */
  complete?: string
  /** What the agent does beyond the usual. */
  script?: string
  /** The task's JSON or what is said at its submit has this text. */
  says?: string
  /** How a folder is refused: the sentence, and the command that mends it. */
  refused?: { why: string; hint: string }
  /** A url of the same is refused on the node, in these words. */
  refusedByUrl?: string
  /** Repositories beside it that are served with it. */
  served?: string[]
  /** Only a folder can be so. */
  folderOnly?: boolean
  /** Not run as a folder: its plan is enough. */
  onlyPlanned?: boolean
  /** `repo.ref` of the task. */
  ref?: string
  branch?: string
}

const REPOSITORY = `git init -q -b main r; cd r; echo 1 > a; echo 1 > gone; git add -A; git commit -qm 'first: mend it'`
const HISTORY = `${REPOSITORY}; for n in 2 3 4; do echo $n > a; git commit -qam "number $n"; done; git tag -a v1 -m v1 HEAD~1; git tag light HEAD~2; git branch topic/a HEAD~1; git branch -q --set-upstream-to=topic/a main`

const ref = (given: string, more: Partial<Shape> = {}): Shape => ({
  name: `--ref ${given}`,
  make: HISTORY,
  options: ['--ref', given],
  commit: given,
  ref: given,
  folderOnly: true,
  onlyPlanned: true,
  ...more,
})

const HOOKS = `${REPOSITORY}; mkdir ../hooks ../template; for h in reference-transaction post-index-change post-checkout pre-commit; do
printf '#!/bin/sh\\necho $0 >> '"$PWD"'/../ran; exit 1\\n' > ../hooks/$h; chmod +x ../hooks/$h; done
cp -r ../hooks ../template/hooks; git config -f ../gitconfig core.hooksPath "$PWD/../hooks"; git config -f ../gitconfig init.templateDir "$PWD/../template"`

const NAMES = `${REPOSITORY}; printf x > "$(printf 'la\\351')"; touch 'a b' ./-dash "$(printf 'new\\nline')" 'ümlaut' '*.x' '"q"' "$(printf 'tab\\tt')"
echo u > Case; echo l > case; ln -s 'a b' link; ln -s /nowhere dangling; printf '#!/bin/sh\\n' > run; chmod +x run; mkdir -p 'd ir/e f'; echo > 'd ir/e f/g'
git add -A; git commit -qm names`

const ENDINGS = `${REPOSITORY}; printf '* text=auto\\n*.bat text eol=crlf\\n*.sh text eol=lf\\n*.raw -text\\n*.u16 text working-tree-encoding=UTF-16LE\\n*.id ident\\n' > .gitattributes
printf 'a\\r\\nb\\r\\n' > x.bat; printf 'a\\nb\\n' > x.sh; printf 'a\\r\\n' > x.raw; printf 'a\\0\\n\\0' > x.u16; printf '$Id$\\n' > x.id; git add -A; git commit -qm endings`

const FILTER = `${REPOSITORY}; printf '*.secret filter=crypt\\n' > .gitattributes; git config filter.crypt.clean 'tr a-z n-za-m'; git config filter.crypt.smudge 'tr a-z n-za-m'
git config filter.crypt.required true; echo hello > x.secret; git add -A; git commit -qm filter`

const LARGE = `${REPOSITORY}; printf '*.bin filter=lfs diff=lfs merge=lfs -text\\n' > .gitattributes
printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 9\\n' 7 > x.bin; git add -A; git commit -qm large`

const SUBMODULES = `for r in deep lib r; do git init -q -b main $r; for f in a gone; do echo $r > $r/$f; done; git -C $r add -A; git -C $r commit -qm first; done
add() { git -C $1 -c protocol.file.allow=always submodule --quiet add "$PWD/$2" "$3"; git -C $1 commit -qm modules; }
add lib deep 'the deep'; add r lib lib; git -C r -c protocol.file.allow=always submodule --quiet update --init --recursive`

/** With addresses that hold on a server too. */
const RELATIVE = `(${SUBMODULES}); for at in 'r lib ../lib' 'lib the%deep ../deep'; do set -- $at; name=$(echo $2 | tr % ' ')
git -C $1 config -f .gitmodules "submodule.$name.url" $3; git -C $1 commit -qam relative; done; git -C r/lib pull -q "$PWD/lib" main; git -C r commit -qam newer`

/** As a daemon takes them with `[repositories] submodules = "checkout"`. */
export const WITH_SUBMODULES: Shape[] = [
  {
    name: 'submodules, one in the other',
    make: SUBMODULES,
    complete: 'git -c protocol.file.allow=always submodule --quiet update --init --recursive',
    says: '2 submodules come along',
    folderOnly: true,
  },
  {
    name: 'submodules with relative addresses',
    make: RELATIVE,
    served: ['lib', 'deep'],
    complete: 'git -c protocol.file.allow=always submodule --quiet update --init --recursive',
  },
  {
    name: 'a submodule whose address is a folder of this machine',
    make: SUBMODULES,
    complete: 'git -c protocol.file.allow=always submodule --quiet update --init --recursive',
    refusedByUrl: 'is no address that is fetched from',
  },
  {
    name: 'a submodule that is not here',
    folderOnly: true,
    make: `${SUBMODULES}; git -C r submodule --quiet deinit -f lib`,
    says: 'the submodule lib stays behind: it is not all here; git -C $DIR/r submodule update --init -- lib',
  },
]

export const SHAPES: Shape[] = [
  { name: 'submodules', make: SUBMODULES, says: 'submodules stay behind', folderOnly: true },
  {
    name: 'files in Git LFS',
    make: LARGE,
    says: '1 file in Git LFS stays behind, and the workspace has pointers: the repository has no remote',
    folderOnly: true,
  },
  { name: 'a plain one', make: REPOSITORY, ref: 'main' },
  { name: 'sha256', make: REPOSITORY.replace('init', 'init --object-format=sha256') },
  {
    name: 'shallow',
    make: `(${HISTORY}); mv r whole; git clone -q --depth 1 "file://$PWD/whole" r`,
    refused: { why: 'is a shallow clone', hint: 'git -C $DIR/r fetch --unshallow' },
    folderOnly: true,
  },
  ...['blob:none', 'tree:0'].map(filter => ({
    name: `a partial clone (${filter})`,
    make: `(${HISTORY}); mv r whole; git -C whole config uploadpack.allowFilter true; git clone -q --filter=${filter} "file://$PWD/whole" r`,
    whole: 'whole',
    folderOnly: true,
  })),
  {
    name: 'a partial clone whose remote is gone',
    make: `(${HISTORY}); mv r whole; git -C whole config uploadpack.allowFilter true; git clone -q --filter=blob:none "file://$PWD/whole" r; rm -rf whole`,
    refused: { why: 'is a partial clone', hint: 'git -C $DIR/r fetch --refetch --no-filter origin' },
    folderOnly: true,
  },
  {
    name: 'of another owner',
    make: REPOSITORY,
    env: { GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' },
    refused: { why: 'another user owns it', hint: 'git config --global --add safe.directory $DIR/r' },
    folderOnly: true,
  },
  {
    name: 'with a configuration that git cannot read',
    make: `${REPOSITORY}; echo '[broken' >> .git/config`,
    refused: {
      why: 'git does not use $DIR/r, since bad config line',
      hint: 'git config --file $DIR/r/.git/config --edit',
    },
    folderOnly: true,
  },
  {
    name: 'of a kind that this git does not know',
    make: `${REPOSITORY}; printf '[core]\\nrepositoryformatversion = 1\\n[extensions]\\nnonesuch = 1\\n' >> .git/config`,
    refused: { why: 'unknown repository extension found: nonesuch', hint: 'git --version' },
    folderOnly: true,
  },
  {
    name: 'a bare one, which its user wants named',
    make: `${REPOSITORY}; cd ..; git clone -q --bare r r.git`,
    folder: 'r.git',
    env: { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.bareRepository', GIT_CONFIG_VALUE_0: 'explicit' },
    refused: { why: 'since it is bare', hint: 'git config --global safe.bareRepository all' },
    folderOnly: true,
  },
  {
    name: 'given by its .git',
    make: REPOSITORY,
    folder: 'r/.git',
    refused: { why: 'it is the folder that git keeps for a work tree', hint: 'tdf submit --repo $DIR/r' },
    folderOnly: true,
  },
  {
    name: 'a linked work tree whose repository was moved',
    make: `${HISTORY}; git worktree add -q ../linked topic/a; cd ..; mv r moved`,
    folder: 'linked',
    refused: {
      why: 'since not a git repository: $DIR/r/.git/worktrees/linked',
      hint: 'git worktree repair $DIR/linked',
    },
    folderOnly: true,
  },
  {
    name: 'damaged',
    make: `${REPOSITORY}; o=$(git rev-parse HEAD:a); f=.git/objects/$(echo $o | cut -c 1-2)/$(echo $o | cut -c 3-); chmod u+w $f; echo x > $f`,
    refused: { why: 'git pack-objects failed: error: ', hint: 'git -C $DIR/r fsck' },
    folderOnly: true,
  },
  { name: 'global hooks and a template', make: HOOKS, env: { GIT_CONFIG_GLOBAL: '$DIR/gitconfig' }, folderOnly: true },
  {
    name: 'global hooks of an index, and --dirty',
    make: HOOKS,
    options: ['--dirty'],
    env: { GIT_CONFIG_GLOBAL: '$DIR/gitconfig' },
    folderOnly: true,
  },
  ref('HEAD~2'),
  ref('main@{upstream}'),
  ref(':/mend it'),
  ref('v1^{}'),
  ref('v1', { folderOnly: false }),
  ref('light', { folderOnly: false }),
  ref('refs/tags/v1', { folderOnly: false }),
  ref('refs/heads/topic/a', { folderOnly: false }),
  ref('topic/a', { folderOnly: false }),
  ref('heads/topic/a'),
  ref('v1-1-g$SHORT', { commit: 'HEAD' }),
  ref('$SHORT', { commit: 'HEAD', folderOnly: false }),
  ref('$LONG', { commit: 'HEAD', folderOnly: false }),
  {
    name: 'a ref that is not there',
    make: HISTORY,
    options: ['--ref', 'nowhere'],
    refused: { why: 'has no branch, tag or commit "nowhere"', hint: 'git -C $DIR/r branch --all' },
    refusedByUrl: 'nowhere',
  },
  {
    name: 'a detached HEAD',
    make: `${HISTORY}; git checkout -q HEAD~1`,
    commit: 'HEAD',
    ref: 'HEAD',
    folderOnly: true,
  },
  {
    name: 'without a commit',
    make: 'git init -q -b main r',
    refused: { why: 'has no commit yet', hint: 'git -C $DIR/r commit --allow-empty -m "first"' },
    refusedByUrl: 'has no commit',
  },
  { name: 'a bare one', make: `(${HISTORY}); git clone -q --bare r r.git`, folder: 'r.git', folderOnly: true },
  {
    name: 'a linked work tree',
    make: `${HISTORY}; git worktree add -q ../linked topic/a`,
    folder: 'linked',
    commit: 'topic/a',
    ref: 'topic/a',
    folderOnly: true,
  },
  {
    name: 'another within it',
    make: `${REPOSITORY}; git init -q inner; cd inner; echo 1 > i; git add -A; git commit -qm inner`,
    folderOnly: true,
  },
  { name: 'names of every kind', make: NAMES },
  { name: 'ends of lines, encodings and ident', make: ENDINGS },
  {
    name: 'core.autocrlf of its user',
    make: `${ENDINGS}; git config -f ../gitconfig core.autocrlf true`,
    env: { GIT_CONFIG_GLOBAL: '$DIR/gitconfig' },
    folderOnly: true,
  },
  {
    name: 'a clean filter',
    make: FILTER,
    script: 'echo hush > new.secret',
    says: 'its clean filter \\"crypt\\" was not run',
  },
  {
    name: 'a path with spaces, dashes and quotes',
    make: `mkdir "s p'a"; cd "s p'a"; ${REPOSITORY}; cd ..; mv r ./-d`,
    folder: "s p'a/-d",
    folderOnly: true,
  },
  {
    name: 'a path with an end of line',
    make: `${REPOSITORY}; cd ..; mv r "$(printf 'new\\nline')"`,
    folder: 'new\nline',
    folderOnly: true,
  },
  {
    name: 'a branch with the full name of a ref',
    make: REPOSITORY,
    options: ['--output-branch', 'refs/heads/x'],
    branch: 'x',
  },
  {
    name: 'a branch beside a folder of that name',
    make: HISTORY,
    options: ['--output-branch', 'topic/a/b'],
    refused: { why: 'cannot be made where there is a branch "topic/a"', hint: '--output-branch topic-a-b' },
    folderOnly: true,
  },
  {
    name: 'a branch that is a folder of branches',
    make: HISTORY,
    options: ['--output-branch', 'topic'],
    refused: { why: 'cannot be made where there is a branch "topic/a"', hint: '--output-branch topic' },
    folderOnly: true,
  },
  {
    name: '--dirty without changes',
    make: HISTORY,
    options: ['--dirty'],
    ref: 'main',
    commit: 'HEAD',
    folderOnly: true,
  },
]
