def log = new File(basedir, 'build.log').text
assert log.count('Skipped, as manticore.skip says.') == 3
assert !new File(basedir, 'target').exists()
