/** The examples at the end of every help text. */
export const EXAMPLES = {
  submit: `
Examples:
  tdf submit "fix the flaky test in test/auth" --check "npm test" --wait
  tdf submit --repo ~/work/site --ref main --agent codex "update the dependencies"
  tdf submit --wait -- sh -c 'make format && git commit -qam "format"'
  git log -1 --format=%B | tdf submit - --title "follow up on the last commit"`,
}
