from tests.cli.doctor.sound_home import home, template

__all__ = ["home", "template"]
