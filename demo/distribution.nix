# A small distribution, as names go. Each program comes with a manual, and each library with a header, as outputs of their own:
# an analysis sees from a package's other outputs whether it is reproducible.
let
  make =
    outputs: script: name:
    derivation {
      inherit name outputs;
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [
        "-euc"
        script
      ];
      PATH = "/usr/bin:/bin:/run/current-system/sw/bin";
    };
  versioned = map (name: "${name}-1.0");
  names = builtins.fromJSON (builtins.readFile ./distribution.json);

  program = make [ "out" "man" ] ''
    mkdir -p $out/bin
    {
      echo '#!/bin/sh'
      echo 'echo "This is '$name'."'
    } >$out/bin/''${name%-*}
    chmod +x $out/bin/*
    echo "$name: one of many programs" >$man
  '';

  library = make [ "out" "dev" ] ''
    echo "the code of $name" >$out
    echo "the header of $name" >$dev
  '';
in
map program (versioned names.programs) ++ map library (versioned (map (name: "lib${name}") names.libraries))
