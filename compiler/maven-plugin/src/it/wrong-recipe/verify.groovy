def log = new File(basedir, 'build.log').text
def message = "recipe.yaml:26: tune.stesp: unknown key; did you mean 'steps'? [MNT-RECIPE-INVALID]"
assert log.contains('on project wrong-recipe: ' + message)
// Once: in what the build ends with, not before it too.
assert log.count('tune.stesp') == 1
assert !new File(basedir, 'target/manticore').exists()
